import os

from .common import shared


def handle(body, path):
    if path.startswith("/teapot"):
        return {"statusCode": 418, "body": "short and stout"}
    text = os.environ["GREETING"] + " " + shared.trim(body) + os.environ["PUNCTUATION"]
    return {"body": text, "headers": {"X-Path": path, "Content-Type": "text/plain"}}
