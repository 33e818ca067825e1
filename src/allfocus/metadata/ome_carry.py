"""What a fused volume keeps of its source's OME-XML: colours and wavelengths, the objective, the date.

Only what OME's schema of 2016-06 is sure to accept is taken over, value by value; the rest is left out.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from allfocus.metadata.ome_xml import local_name

SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"

TEXT, LENGTH, SECONDS = r".{1,255}", "[munp]?m|µm|Å", "[munp]?s|µs|min|h|d"
POSITIVE = r"(?=.*[1-9])[0-9]{0,9}\.?[0-9]{1,17}"
DATE = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-](0\d|1[0-3]):[0-5]\d)?"

#: Attributes that are kept, each with what its values must look like.
CHANNEL = {
    "Color": r"-?[0-9]{1,9}|-?1[0-9]{9}",
    "Fluor": TEXT,
    "EmissionWavelength": POSITIVE,
    "EmissionWavelengthUnit": LENGTH,
    "ExcitationWavelength": POSITIVE,
    "ExcitationWavelengthUnit": LENGTH,
    "ContrastMethod": "Brightfield|Phase|DIC|HoffmanModulation|ObliqueIllumination|PolarizedLight|Darkfield"
    "|Fluorescence|Other",
    "IlluminationType": "Transmitted|Epifluorescence|Oblique|NonLinear|Other",
    "AcquisitionMode": "WideField|LaserScanningConfocalMicroscopy|SpinningDiskConfocal|SlitScanConfocal"
    "|MultiPhotonMicroscopy|StructuredIllumination|TotalInternalReflection|SPIM|STED|PALM|STORM|BrightField|Other",
}
PIXELS = {"TimeIncrement": POSITIVE, "TimeIncrementUnit": SECONDS}
MICROSCOPE = {"Manufacturer": TEXT, "Model": TEXT, "SerialNumber": TEXT, "Type": "Upright|Inverted|Dissection|Other"}
OBJECTIVE = {
    "Manufacturer": TEXT,
    "Model": TEXT,
    "SerialNumber": TEXT,
    "LensNA": POSITIVE,
    "NominalMagnification": POSITIVE,
    "CalibratedMagnification": POSITIVE,
    "WorkingDistance": POSITIVE,
    "WorkingDistanceUnit": LENGTH,
    "Immersion": "Oil|Water|WaterDipping|Air|Multi|Glycerol|Other",
    "Correction": "UV|PlanApo|PlanFluor|SuperFluor|VioletCorrected|Achro|Achromat|Fluor|Fl|Fluar|Neofluar|Fluotar"
    "|Apo|PlanNeofluar|Other",
}
SETTINGS = {"Medium": "Air|Oil|Water|Glycerol|Other", "RefractiveIndex": POSITIVE}


def carry_over(xml: str, source: str) -> str:
    """OME-XML of a fused volume, with what is kept of its source's: image by image, channel by channel.

    Args:
        xml: what is known of the new file: sizes, names of channels.
        source: OME-XML of the file that it was made of; of another schema than 2016-06 nothing is taken.
    """
    new, old = ElementTree.fromstring(xml), ElementTree.fromstring(source)
    if old.tag != f"{{{SCHEMA}}}OME":
        return xml
    objectives = take_instrument(new, old)
    sources = find_children(old, "Image")
    for number, image in enumerate(find_children(new, "Image")):
        take_image(image, sources[min(number, len(sources) - 1)], objectives)
    ElementTree.register_namespace("", SCHEMA)
    return ElementTree.tostring(new, encoding="unicode")


def find_children(parent: Element, name: str) -> list[Element]:
    """Children of this name."""
    return [child for child in parent if local_name(child) == name]


def take_values(target: Element, source: Element, known: Mapping[str, str]) -> None:
    """Copy the attributes whose values look as they must; a unit only with its value."""
    for name, looks in known.items():
        value = source.get(name)
        has_value = not name.endswith("Unit") or name.removesuffix("Unit") in target.attrib
        if value is not None and has_value and re.fullmatch(looks, value):
            target.set(name, value)
    for name in [name for name in known if f"{name}Unit" in known and name in target.attrib]:
        if source.get(f"{name}Unit") not in (None, target.get(f"{name}Unit")):
            del target.attrib[name]  # in a unit that is not known here


def take_instrument(new: Element, old: Element) -> dict[str, str]:
    """Copy microscope and objectives; returns what each objective is called in the new file, by its old name."""
    names: dict[str, str] = {}
    instruments = find_children(old, "Instrument")
    images = next(place for place, child in enumerate(new) if local_name(child) in ("StructuredAnnotations", "Image"))
    for number, source in enumerate(instruments):
        target = Element(f"{{{SCHEMA}}}Instrument", ID=f"Instrument:{number}")
        for found in find_children(source, "Microscope")[:1]:
            take_values(ElementTree.SubElement(target, f"{{{SCHEMA}}}Microscope"), found, MICROSCOPE)
        for place, found in enumerate(find_children(source, "Objective")):
            name = names[found.get("ID", "")] = f"Objective:{number}:{place}"
            take_values(ElementTree.SubElement(target, f"{{{SCHEMA}}}Objective", ID=name), found, OBJECTIVE)
        new.insert(images + number, target)
    return names


def take_image(new: Element, old: Element, objectives: Mapping[str, str]) -> None:
    """Copy name, date, objective, time between pictures, and what is known of the channels."""
    if old.get("Name"):
        new.set("Name", old.get("Name", ""))
    place = next(place for place, child in enumerate(new) if local_name(child) == "Pixels")
    for settings in find_children(old, "ObjectiveSettings")[:1]:
        if settings.get("ID") in objectives:
            name = objectives[settings.get("ID", "")]
            target = Element(f"{{{SCHEMA}}}ObjectiveSettings", ID=name)
            take_values(target, settings, SETTINGS)
            new.insert(place, target)
            instrument = f"Instrument:{name.split(':')[1]}"
            new.insert(place, Element(f"{{{SCHEMA}}}InstrumentRef", ID=instrument))
    for date in find_children(old, "AcquisitionDate")[:1]:
        if is_date(date.text or ""):
            new.insert(0, date)
    take_pixels(find_children(new, "Pixels"), find_children(old, "Pixels"))


def is_date(text: str) -> bool:
    """Whether a text is a day and time as XML Schema writes them."""
    found = re.fullmatch(DATE, text)
    try:
        return found is not None and bool(datetime.fromisoformat(found[1]))
    except ValueError:
        return False


def take_pixels(new: Sequence[Element], old: Sequence[Element]) -> None:
    """Copy what belongs to the pixels of an image, and to each of its channels."""
    for target, source in zip(new, old, strict=False):
        take_values(target, source, PIXELS)
        for channel, found in zip(find_children(target, "Channel"), find_children(source, "Channel"), strict=False):
            take_values(channel, found, CHANNEL)
