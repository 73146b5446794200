"""Writes a line of text in large letters."""

# Five rows of five dots for each character, a row's dots as one digit of base
# 32: "E" is 11111 10000 11110 10000 11111.
FONT = {
    " ": "00000", "!": "44404", "'": "44000", "-": "00e00", ".": "00004", ",": "00048", ":": "04040", "?": "e1604", "/": "1248g",
    "+": "04e40", "=": "0e0e0", "#": "avava", "(": "48884", ")": "42224", "_": "0000v", "*": "level",
    "0": "ejlpe", "1": "4c44e", "2": "u1egv", "3": "u1e1u", "4": "iiv22", "5": "vgu1u", "6": "eguhe", "7": "v1244", "8": "ehehe", "9": "ehf1e",
    "A": "ehvhh", "B": "uhuhu", "C": "fgggf", "D": "uhhhu", "E": "vgugv", "F": "vgugg", "G": "fgjhf", "H": "hhvhh", "I": "e444e",
    "J": "722ic", "K": "ikoki", "L": "ggggv", "M": "hrlhh", "N": "hpljh", "O": "ehhhe", "P": "uhugg", "Q": "ehlid", "R": "uhuih",
    "S": "fge1u", "T": "v4444", "U": "hhhhe", "V": "hhha4", "W": "hhlrh", "X": "ha4ah", "Y": "ha444", "Z": "v248v",
}
DIGITS = "0123456789abcdefghijklmnopqrstuv"
LONGEST = 80


def row(char, number, ink):
    dots = DIGITS.index(FONT.get(char, FONT["?"])[number])
    return "".join(ink if dots >> (4 - bit) & 1 else " " for bit in range(5))


def handle(event, context):
    text = (event.text.strip() or event.query.get("text", "") or "ROUSE").upper().splitlines()[0]
    ink = event.query.get("ink", "#")[:1] or "#"
    if len(text) > LONGEST:
        return 400, {}, "at most %d characters\n" % LONGEST
    return "\n".join(" ".join(row(c, n, ink) for c in text).rstrip() for n in range(5)) + "\n"
