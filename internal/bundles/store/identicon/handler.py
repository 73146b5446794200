"""Draws a picture that is always the same for a name, as SVG."""

import colorsys
import hashlib


def handle(event, context):
    name = event.text.strip() or event.query.get("name", "") or event.path.strip("/")
    if not name:
        return 400, {}, "say a name: as the body, as ?name= or as the path\n"
    digest = hashlib.sha256(name.encode()).digest()
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(digest[0] / 255, 0.45, 0.6))
    dots = []
    for y in range(5):
        for x in range(3):  # the right half mirrors the left
            if digest[1 + y * 3 + x] & 1:
                dots += ["M%d %dh1v1h-1z" % (at, y) for at in sorted({x, 4 - x})]
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-.5 -.5 6 6" width="240" height="240" shape-rendering="crispEdges">'
        '<path fill="#f4f4f4" d="M-.5-.5h6v6h-6z"/><path fill="#%02x%02x%02x" d="%s"/></svg>\n'
    ) % (red, green, blue, "".join(dots))
    return 200, {"Content-Type": "image/svg+xml"}, svg
