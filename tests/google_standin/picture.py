"""Small PNG pictures, made without an imaging library."""

import functools
import hashlib
import struct
import zlib

LARGEST = 512
CELLS = 5


def png_of(rows, size):
    """Return a square picture; ``rows`` gives each line's RGB bytes."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


def png(red, green, blue, size=24):
    """Return a small picture of one colour."""
    return png_of([bytes((red, green, blue)) * size] * size, size)


@functools.lru_cache(maxsize=256)
def portrait(key, size, own):
    """Return the picture of whoever ``key`` stands for; another key, another picture.

    :param own: a pattern, in the place of a photo; else one colour, as the tile that
        Google makes for who has none
    """
    size = min(max(size, 1), LARGEST)
    digest = hashlib.sha256(key.encode()).digest()
    if not own:
        return png(*(128 + value // 4 for value in digest[:3]), size)
    colours = bytes(value // 2 for value in digest[:3]), bytes((240, 240, 240))
    lines = []
    for line in range(CELLS):
        left = [digest[3 + 3 * line + cell] % 2 for cell in range(3)]
        cells = [*left, left[1], left[0]]
        lines.append(
            b"".join(colours[cells[place * CELLS // size]] for place in range(size))
        )
    return png_of([lines[place * CELLS // size] for place in range(size)], size)
