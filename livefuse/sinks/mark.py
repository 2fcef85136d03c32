"""The mark in a file's own metadata: what it is and what made it. (Signed C2PA manifests are a separate matter.)"""

from __future__ import annotations

import zlib
from collections.abc import Mapping

MARK = "synthetic media made with livefuse"
DIGITAL_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
MARK_TEXT = f"{MARK}; digitalSourceType {DIGITAL_SOURCE_TYPE}"

_PNG_HEADER_BYTES = 8 + 25  # signature and IHDR, which must come first
_XMP = (
    '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'Iptc4xmpExt:DigitalSourceType="{source}"><dc:description><rdf:Alt><rdf:li xml:lang="x-default">{text}</rdf:li>'
    '</rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)

# Facts about the old file that would be wrong in the new one; pixels leave upright, so no rotation either.
_NOT_COPIED = {"major_brand", "minor_version", "compatible_brands", "encoder", "rotate", "duration"}


def output_tags(source: Mapping[str, str] | None = None) -> dict[str, str]:
    """The container metadata of an output: the source's own, with the mark in front of its comment and description."""
    tags = {key: value for key, value in (source or {}).items() if key.lower() not in _NOT_COPIED}
    for key in ("comment", "description"):
        before = tags.get(key, "")
        tags[key] = f"{MARK_TEXT}; {before}" if before and not before.startswith(MARK) else before or MARK_TEXT
    return tags


def marked_image(data: bytes, suffix: str) -> bytes:
    """The encoded picture with the mark as XMP (PNG, JPEG). WebP would need another container layout: it stays bare.

    Source: XMP specification part 3 (2020), sections 1.1.3 (JPEG) and 1.1.5 (PNG).
    """
    xmp = _XMP.format(source=DIGITAL_SOURCE_TYPE, text=MARK).encode()
    if suffix == ".png":
        body = b"iTXt" + b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
        chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
        return data[:_PNG_HEADER_BYTES] + chunk + data[_PNG_HEADER_BYTES:]
    if suffix in (".jpg", ".jpeg"):
        body = b"http://ns.adobe.com/xap/1.0/\0" + xmp
        return data[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + data[2:]
    return data
