"""The plug-in for napari: a widget that fuses a layer, readers, and sample data; `napari.yaml` is its manifest."""
