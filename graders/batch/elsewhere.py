"""Results in object storage, which has no append: written on this machine, kept there in parts, put whole.

The results of a run stand in a folder of this machine as those of any other (`FileOutput`). Now and then,
and where the run stops, what is new of them goes to the store as a part, and `OUT.partial/state.json` says
which parts there are: any machine goes on from there. At the end OUT appears whole, then its manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from graders import jsontext
from graders.batch.beside import judgements_of
from graders.batch.manifest import manifest_of, read_manifest
from graders.batch.output import FileOutput
from graders.errors import OptionError, RowsError
from graders.privacy import private_folder
from graders.remote import Remote

__all__ = ["RemoteOutput", "spool_of"]

_BYTES: Final = 64 << 20
_SECONDS: Final = 60.0
"""What a lost machine costs at most: rows of so many bytes or seconds, which are scored again."""
_LARGEST: Final = 16 << 20
_COPY: Final = 1 << 20

Parts = list[dict[str, Any]]


def spool_of(remote: Remote) -> Path:
    """Return the file on this machine in which the results for a place are written.

    It stands in `GRADERS_SPOOL`, else in the user's cache folder.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    base = (Path(home) if home else Path.home() / ".cache") / "graders" / "spool"
    folder = Path(os.environ.get("GRADERS_SPOOL") or base)
    digest = hashlib.sha256(str(remote).encode(errors="surrogateescape")).hexdigest()
    return folder / digest[:32] / (remote.name[-100:] or "results.jsonl")


class RemoteOutput(FileOutput):
    """Results to an object.

    Of two machines that write the same object the one that began last goes on; the other stops with a
    sentence at its next part.

    Args:
        remote: the object.
        manifest: what the run is made from.
        resume: go on with what an earlier run finished, on this machine or another.
        restart: drop that.
        more: what else a `FileOutput` takes.
    """

    def __init__(
        self, remote: Remote, manifest: Mapping[str, Any], *, resume: bool = False,
        restart: bool = False, **more: Any,
    ) -> None:  # fmt: skip
        if not remote.is_writable:
            raise OptionError(
                f"{remote}: pages can be read and not written; write to s3://, gs:// or az://"
            )
        if remote.is_bucket:  # What stands beside results would be of another bucket.
            raise OptionError(
                f"{remote} is a bucket; name an object in it, such as {remote}/results.jsonl"
            )
        self.remote = remote
        self._state = remote.beside(".partial").within("state.json")
        self._writer = uuid.uuid4().hex
        self._parts: Parts = []
        self._judged: Parts = []
        self._old: Parts = []
        self._put_at = time.monotonic()
        spool = spool_of(remote)
        try:
            private_folder(spool.parent)
        except OSError as error:
            raise RowsError(
                f"{spool.parent}: cannot be written: {error.strerror or error}"
            ) from None
        super().__init__(spool, manifest, resume=resume, restart=restart, name=str(remote), **more)
        if self.finished.complete:
            with self._named():
                self._publish()

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RowsError(f"{self.name}: cannot be written: {error.strerror or error}") from None

    def _begin(self, *, resume: bool, restart: bool) -> None:
        state = self._read_state()
        if restart:
            self._drop([*state.get("parts", ()), *state.get("judgements", ())])
            state = {}
        elif state.get("parts") and not resume:
            raise OptionError(
                f"{self.remote.name}.partial holds rows that a run had finished when it was interrupted: "
                "--resume goes on with them, --restart drops them"
            )
        if resume:
            self._take_over(state)
        else:  # What an earlier run left here of complete results is nothing to go on with.
            self._target.unlink(missing_ok=True)
        super()._begin(resume=resume, restart=restart)
        if not self.finished.complete:
            for place, parts in self._places:
                # What could not be taken up, as a torn line, is to be put anew.
                while _total(parts) > (place.stat().st_size if place.exists() else 0):
                    self._old.append(parts.pop())
            self._write_state()

    @property
    def _places(self) -> list[tuple[Path, Parts]]:
        return [(self._place, self._parts), (judgements_of(self._place), self._judged)]

    # -- what stands in the store ------------------------------------------------------------

    def _read_state(self) -> dict[str, Any]:
        try:
            found = jsontext.decode(self._state.read(_LARGEST))
            _ = found["writer"], [one["bytes"] for one in (*found["parts"], *found["judgements"])]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            raise RowsError(
                f"{self._state}: says nothing about an interrupted run; remove it"
            ) from None
        return dict(found)

    def _write_state(self) -> None:
        body = {
            "writer": self._writer, "manifest": self.manifest, "parts": self._parts,
            "judgements": self._judged,
        }  # fmt: skip
        self._state.put_bytes(jsontext.encode(body) + b"\n")

    def _drop(self, parts: Iterable[Mapping[str, Any]]) -> None:
        folder = self.remote.beside(".partial")
        self._state.remove()
        named = [folder.within(one["name"]) for one in parts]
        # One that was killed may have put a part that no state names.
        left = [] if self.remote.has_magic else folder.within("*-*.jsonl").matches()
        for place in {*named, *left}:
            place.remove()

    def _take_over(self, state: Mapping[str, Any]) -> None:
        """Bring here what stands in the store, where less or something else of it is here."""
        if not state:
            if not self._place.exists():
                self._fetch_complete()
            return
        self._parts, self._judged = list(state["parts"]), list(state["judgements"])
        if self._is_here():
            return
        for place, parts in self._places:
            self._fetch(place, parts)
        manifest_of(self._place).write_bytes(jsontext.encode(state["manifest"]) + b"\n")

    def _is_here(self) -> bool:
        """Whether all that stands in the store, or more, stands here too."""
        ended = read_manifest(manifest_of(self._target)) or {}
        if "complete" in ended and not self._place.exists() and self._target.exists():
            return _begins_with(self._target, self._parts)
        known = read_manifest(manifest_of(self._place)) is not None
        return known and all(_begins_with(place, parts) for place, parts in self._places)

    def _fetch(self, place: Path, parts: Parts) -> None:
        if not parts and not place.exists():
            return
        folder = self.remote.beside(".partial")
        with place.open("wb") as out:
            for one in parts:
                digest = hashlib.sha256()
                with folder.within(one["name"]).open() as stream:
                    while data := stream.read(_COPY):
                        digest.update(data)
                        out.write(data)
                if digest.hexdigest() != one["sha256"]:
                    raise RowsError(
                        f"{self.name} cannot be resumed: its part {one['name']} is not what was put there; "
                        "--restart starts anew"
                    )

    def _fetch_complete(self) -> None:
        """Bring complete results here, to see whether they are this run's and what they add up to."""
        known = self.remote.beside(".manifest.json")
        if not (known.exists() and self.remote.exists()):
            return
        manifest = known.read(_LARGEST)
        here = manifest_of(self._target)
        if self._target.exists() and here.exists() and here.read_bytes() == manifest:
            return
        self.remote.fetch(self._target)
        if (beside := self.remote.beside(".judgements.jsonl")).exists():
            beside.fetch(judgements_of(self._target))
        here.write_bytes(manifest)

    # -- as the run goes ---------------------------------------------------------------------

    def write(self, lines: bytes, judgements: bytes = b"") -> None:
        """Append result lines and the judgements of their rows; now and then they go to the store."""
        super().write(lines, judgements)
        late = time.monotonic() - self._put_at > _SECONDS
        if late or self._place.stat().st_size - _total(self._parts) > _BYTES:
            self.sync()
            self._put_parts()

    def _put_parts(self) -> None:
        """Put what is new into the store, unless another run has taken over."""
        self._put_at = time.monotonic()
        with self._named():
            self._check_mine()
            put = [self._put_part(place, parts) for place, parts in self._places]
            if any(put):
                self._write_state()

    def _check_mine(self) -> None:
        if self._read_state().get("writer") != self._writer:
            raise RowsError(f"{self.name}: another run has begun to write it; this one stops")

    def _put_part(self, place: Path, parts: Parts) -> bool:
        kind = "judgements" if parts is self._judged else "results"
        start = _total(parts)
        size = place.stat().st_size if place.exists() else 0
        if size <= start:
            return False
        name = f"{kind}-{len(parts) + 1:06}-{self._writer[:8]}.jsonl"
        cut, digest = place.with_name(f"{kind}.part"), hashlib.sha256()
        try:
            with place.open("rb") as stream, cut.open("wb") as out:
                stream.seek(start)
                while data := stream.read(min(_COPY, size - out.tell() - start)):
                    digest.update(data)
                    out.write(data)
            self.remote.beside(".partial").within(name).put(cut)
        finally:
            cut.unlink(missing_ok=True)
        parts.append({"name": name, "bytes": size - start, "sha256": digest.hexdigest()})
        return True

    def _leave(self) -> None:
        if self._begun and self._stream is not None:
            # Whoever goes on elsewhere has what was finished; what cannot be put stays here.
            with contextlib.suppress(RowsError, OSError):
                if self._place.stat().st_size:
                    self._put_parts()
                elif self._read_state().get("writer") == self._writer:
                    self._drop([*self._parts, *self._judged, *self._old])
        super()._leave()

    def finish(self, rows: int, **notes: Any) -> None:
        """Put the results in their place: these were all."""
        with self._named():
            self._check_mine()
        super().finish(rows, **notes)
        with self._named():
            self._publish()

    def _publish(self) -> None:
        """Put complete results into the store, the manifest last, and leave nothing else, there or here."""
        here = manifest_of(self._target)
        known = self.remote.beside(".manifest.json")
        body = here.read_bytes()
        there = known.read(_LARGEST) if known.exists() else b""
        if there != body or not self.remote.exists():
            self.remote.put(self._target)
            if self._beside is not None:
                self.remote.beside(".judgements.jsonl").put(self._beside.target)
            known.put_bytes(body)
        self._drop([*self._parts, *self._judged, *self._old])
        for one in (self._target, here, judgements_of(self._target), manifest_of(self._place)):
            one.unlink(missing_ok=True)


def _total(parts: Parts) -> int:
    return sum(one["bytes"] for one in parts)


def _begins_with(place: Path, parts: Parts) -> bool:
    """Whether a file begins with these parts."""
    if not place.exists():
        return not parts
    with place.open("rb") as stream:
        for one in parts:
            digest, left = hashlib.sha256(), one["bytes"]
            while left and (data := stream.read(min(_COPY, left))):
                digest.update(data)
                left -= len(data)
            if left or digest.hexdigest() != one["sha256"]:
                return False
    return True
