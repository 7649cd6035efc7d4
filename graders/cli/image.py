"""`graders image`: the hosted image of python graders on this machine."""

from __future__ import annotations

import click

from graders.cli.option import json_option
from graders.cli.output import write_json
from graders.sandbox import image as images

__all__ = ["image"]

_EPILOG = """\b
Examples:
  graders image build 2025-05-08
  graders image build 2025-05-08 --lite
  graders image list"""


@click.group(epilog=_EPILOG, short_help="Build the hosted image of python graders on this machine.")
def image() -> None:
    """Build and find the images that a python grader's image_tag names.

    An image is a virtual environment with exactly the packages the hosted service documents. Once
    it is built, python graders with its tag run in it.
    """


@image.command(
    epilog="""\b
Examples:
  graders image build 2025-05-08     (660 MB; needs a C compiler)
  graders image build 2025-05-08 --lite   (without rdkit and scikit-bio)"""
)
@click.argument("tag")
@click.option("--lite", is_flag=True, help="Leave out rdkit and scikit-bio.")
def build(tag: str, *, lite: bool) -> int:
    """Build an image, once; prints its python."""
    click.echo(images.build(tag, lite=lite, progress=lambda line: click.echo(line, err=True)))
    return 0


@image.command(
    name="list",
    epilog="""\b
Examples:
  graders image list --json""",
)
@json_option
def list_(*, as_json: bool) -> int:
    """List the known images and where they are built."""
    found = {tag: images.interpreter(tag) for tag in images.IMAGES}
    if as_json:
        body = [
            {
                "image_tag": tag,
                "python": None if python is None else str(python),
                "packages": dict(images.IMAGES[tag]),
            }
            for tag, python in found.items()
        ]
        write_json(body)
        return 0
    for tag, python in found.items():
        where = python or f"not built; graders image build {tag}"
        click.echo(f"{tag}: {where}")
    return 0
