def handle(body, path):
    return {"statusCode": 200, "body": "to begin with"}
