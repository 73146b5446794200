def handle(body):
    return body
