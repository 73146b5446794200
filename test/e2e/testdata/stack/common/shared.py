def trim(text):
    return text.strip()
