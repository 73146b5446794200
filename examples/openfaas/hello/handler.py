import os


def handle(body):
    return f"{os.environ['GREETING']}, {body.strip() or 'stranger'}\n"
