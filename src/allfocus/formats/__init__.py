"""File formats: one module holds one format, or a few of one kind, as objects behind the protocol `format.Format`.

To add one, write a module that ends in ``FORMATS = (MyFormat(),)`` and put its name into `registry.MODULES`; a program
of its own calls `registry.register` instead. Nothing else knows formats by name: `read` and `write` ask the registry,
and other rooms ask a format what it contains, holds or needs.

What formats share: `filebytes` (a file's bytes, mapped; errors turned into `ReadError`), `isobmff` and `riff` (the
walks through boxes and chunks), `pixels` (orientation, alpha, limits, Pillow), `fit` (what a format can't hold).
"""
