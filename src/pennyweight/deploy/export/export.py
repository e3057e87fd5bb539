"""`pennyweight export`: a network as C in a folder that builds, as a .tflite file or as an ONNX file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from pennyweight.core.errors import PennyweightError, UsageError, unknown
from pennyweight.core.run import Run
from pennyweight.core.shown import Shown
from pennyweight.core.text import visible
from pennyweight.core.version import VERSION
from pennyweight.data.images import LabelledImages
from pennyweight.deploy.c.example_image import ExampleImage
from pennyweight.deploy.c.program import Program, program
from pennyweight.deploy.c.projects import arduino_library, plain_project
from pennyweight.deploy.c.text import identifier
from pennyweight.deploy.deployable import Deployable, is_tflite, open_deployable
from pennyweight.deploy.export.file import check_file, write_file
from pennyweight.deploy.export.folder import check_folder, write_folder
from pennyweight.fit.loop import Progress
from pennyweight.fit.train import images_of, recipe_of
from pennyweight.net.ops import Shape
from pennyweight.shrink.quantize.kept import FOLDER, NETWORK
from pennyweight.shrink.quantize.quantize import Quantized, quantize

Form = Literal["c", "tflite", "onnx"]


@dataclass(frozen=True, slots=True)
class Project:
    """A folder of C: `name` is what C calls the network, `calls` are the functions that a user's program calls.

    `constants_bytes` lie in flash, beside the instructions; `arena_bytes` in RAM, beside the stack. `image` says what
    the example answers.
    """

    name: str
    arduino: bool
    constants_bytes: int
    arena_bytes: int
    calls: tuple[str, ...]
    files: tuple[str, ...]
    image: str


@dataclass(frozen=True, slots=True)
class Exported(Shown):
    """What was exported: `path` is the folder, told in `project`, or the file, of which there is no project.

    `quantized` is what bringing the run to int8 cost, where that was done first.
    """

    source: Path
    form: Form
    path: Path
    network: str
    input_shape: Shape
    class_names: tuple[str, ...]
    weight_bytes: int
    written_bytes: int
    project: Project | None
    quantized: Quantized | None
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The result as JSON types."""
        return {
            "source": str(self.source),
            "form": self.form,
            "path": str(self.path),
            "network": self.network,
            "input_shape": list(self.input_shape),
            "classes": list(self.class_names),
            "weight_bytes": self.weight_bytes,
            "written_bytes": self.written_bytes,
            "project": None if self.project is None else asdict(self.project),
            "quantized": None if self.quantized is None else self.quantized.as_json(),
            "notes": list(self.notes),
        }


def export(
    source: Path | str,
    to: Form,
    *,
    out: Path | str | None = None,
    arduino: bool = False,
    name: str = "model",
    images: LabelledImages | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    on_progress: Callable[[Progress], None] | None = None,
) -> Exported:
    """The int8 network of a run or of a .tflite file, written to `out`: `c`, `tflite` or `onnx`.

    A run that is not quantised is quantised first, as `quantize` does unless told otherwise; `images` are needed where
    the training was begun in Python with images of its own. C is a folder with the network, the kernels that it needs,
    an example that checks its own answer to one image, and what builds it; with `arduino` it is an Arduino library.
    `name`, made a C identifier, is what C calls the network, and without `out` the folder or file in the current one.
    What is written is whole or not there, and takes the place of an older export alone.
    Raises UsageError where something else is in the way; GraphError that lists all that the form cannot say, or for a
    .tflite file in float32; MissingExtraError for ONNX without the extra `onnx`; else as `quantize`.
    """
    if to not in get_args(Form):
        raise unknown("form", to, get_args(Form))
    if arduino and to != "c":
        raise UsageError(f"an Arduino library is made of C, not of {to}", hint="--to c --arduino")
    word = identifier(name)
    path = Path(out).expanduser() if out is not None else Path(word if to == "c" else f"{word}.{to}")
    notes = [] if word == name else [f"the network is called {word} in C, where {visible(name)!r} is no name"]
    if to == "c":
        check_folder(path)
    else:
        check_file(path, to)
    deployable, quantized = _deployable(Path(source), images, data_dir, device, on_progress)
    network, names, project = deployable.network, deployable.class_names, None
    if to == "c":
        built = program(network, name=word, classes=names)
        image = _image(deployable, images, data_dir, notes)
        files = (arduino_library if arduino else plain_project)(built, image)
        manifest = {"written_by": f"pennyweight {VERSION}", "name": word, "network": network.text}
        write_folder(path, files, manifest)
        written_bytes = sum(map(len, files.values()))
        project = _project(built, files, image, arduino=arduino)
    else:
        written_bytes = write_file(path, network, names, to)
    return Exported(
        source=Path(source),
        form=to,
        path=path,
        network=network.text,
        input_shape=network.input_shape,
        class_names=names,
        weight_bytes=network.weight_bytes,
        written_bytes=written_bytes,
        project=project,
        quantized=quantized,
        notes=(*(() if quantized is None else quantized.notes), *deployable.notes, *notes),
    )


def _deployable(
    source: Path,
    images: LabelledImages | None,
    data_dir: Path | None,
    device: str,
    on_progress: Callable[[Progress], None] | None,
) -> tuple[Deployable, Quantized | None]:
    """What is exported, and how it was quantised where it had not been."""
    quantized = None
    if not is_tflite(source) and not (Run.open(source).folder / FOLDER / NETWORK).exists():
        quantized = quantize(source, images, data_dir=data_dir, device=device, on_progress=on_progress)
    return open_deployable(source), quantized


def _image(
    deployable: Deployable, images: LabelledImages | None, data_dir: Path | None, notes: list[str]
) -> ExampleImage:
    """The first image that a run was validated on, or trained on where there is no such; else one of no meaning."""
    shape = deployable.network.input_shape
    if deployable.run is None:
        return ExampleImage.random(shape)
    try:
        images = images or images_of(deployable.run, data_dir, fetch=False)
        parts = dict(zip(("training", "validation"), images.split(recipe_of(deployable.run).validation), strict=True))
        name = "validation" if len(parts["validation"]) else "training"
        pixels, label = parts[name].images[0], parts[name].labels[0]
    except PennyweightError as error:
        notes.append(f"the example answers pixels drawn at random, as the images of the run are not at hand: {error}")
        return ExampleImage.random(shape)
    if pixels.shape != shape:
        return ExampleImage.random(shape)
    return ExampleImage(pixels, f"the first {name} image of {images.name}, of class {images.class_names[label]}")


def _project(built: Program, files: Iterable[str], image: ExampleImage, *, arduino: bool) -> Project:
    name = built.name
    calls = [f"uint8_t *{name}_input(void)", f"void {name}_run(void)", f"const int8_t *{name}_output(void)"]
    calls.append(f"int32_t {name}_class(void)")
    if built.facts["class_names"]:
        calls.append(f"const char *{name}_class_name(int32_t number)")
    arrays = [*built.facts["pixel_tables"], *(array for layer in built.facts["layers"] for array in layer.arrays)]
    return Project(
        name=name,
        arduino=arduino,
        constants_bytes=sum(array.values.nbytes for array in arrays),
        arena_bytes=built.arena_bytes,
        calls=tuple(calls),
        files=tuple(sorted(files)),
        image=visible(image.told),
    )
