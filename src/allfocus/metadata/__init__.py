"""Metadata: EXIF, XMP, ICC profiles, IPTC and OME-XML; knows no file format."""
