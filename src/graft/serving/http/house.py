"""The models of a server by name; a new version takes the place of the old one, and nothing that was asked is lost."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from graft.errors import ArtifactError, GraftError, must, unknown_name
from graft.serving.http import memory
from graft.serving.http.batching import Room
from graft.serving.http.faults import Refused
from graft.serving.http.keeping import Keeping
from graft.serving.http.metrics import Metrics
from graft.serving.http.prepare import Source, network
from graft.serving.http.served import Input, Outcome, Served, load
from graft.serving.http.settings import Limits
from graft.serving.http.watching import Watching

LOG = logging.getLogger("graft.serve")


@dataclass
class House:
    """All models of a server."""

    sources: Sequence[Source]
    limits: Limits
    metrics: Metrics = field(default_factory=Metrics)
    runtime: str = "auto"
    keeping: Keeping | None = None
    models: dict[str, Served] = field(default_factory=dict)
    room: Room = field(init=False)
    leaving: bool = False
    """Whether the server is shutting down."""
    _stamps: dict[str, object] = field(default_factory=dict)
    _turning: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Make room for the queue."""
        self.room = Room(self.limits.queue)

    def open(self, say: Callable[[str], None]) -> None:
        """Load all models. Raises ArtifactError."""
        for source in self.sources:
            self._stamps[source.name] = source.stamp()
            served = self._loaded(source, say)
            self.models[source.name] = served
            say(f"{source.name}: {served.why}")

    def _loaded(self, source: Source, say: Callable[[str], None]) -> Served:
        file = network(source, say)
        found = load(source.name, file, limits=self.limits, metrics=self.metrics, runtime=self.runtime)
        try:
            doubt, shown = source.doubt(found.told), source.exemplars(found.told)
            if doubt is not None:
                _fits("what the model knows of its doubts", found, doubt.width)
            if shown is not None:
                _fits("the examples that the model keeps", found, shown.vectors.shape[1])
        except ArtifactError:
            found.close()
            raise
        found.exemplars = shown
        found.report, found.keeping = source.report, self.keeping
        found.watching = Watching(doubt) if doubt is not None else None
        memory.settle()
        return found

    def named(self, name: str | None) -> Served:
        """Return a model; without a name the only one. Raises Refused (404, 400)."""
        if name is None:
            if len(self.models) > 1:
                known = ", ".join(self.models)
                raise Refused(400, f"The model must be named. Got no name. Add ?model= with one of {known}.")
            return next(iter(self.models.values()))
        if name not in self.models:
            shown = name if len(name) <= 60 else f"{name[:60]}..."
            raise Refused(404, str(unknown_name("the model", shown, self.models, "/models")))
        return self.models[name]

    async def ask(self, served: Served, inputs: Sequence[Input]) -> list[Outcome | Exception]:
        """Return what a model makes of each input. Raises Refused where there is no room, or no time."""
        if len(inputs) > self.limits.inputs:
            wanted = f"at most {self.limits.inputs} inputs"
            raise Refused(413, f"A request must have {wanted}. Got {len(inputs)}. Send them in several requests.")
        self.room.take(len(inputs))
        try:
            return await served.batcher.ask(inputs, self.limits.answer_seconds)
        finally:
            self.room.give(len(inputs))

    async def reload(self, name: str | None = None) -> Mapping[str, str]:
        """Load a model again, or all; return each one's version. Raises GraftError where a new one cannot be served.

        The old version answers until the new one is ready, and what it was asked before.
        """
        async with self._turning:
            for source in self.sources:
                if name in (None, source.name):
                    await self._renew(source)
        return {one.name: one.version for one in self.models.values()}

    async def _renew(self, source: Source) -> None:
        stamp = source.stamp()
        fresh = await asyncio.to_thread(self._loaded, source, LOG.info)
        old, self.models[source.name] = self.models[source.name], fresh
        self._stamps[source.name] = stamp
        old.close()
        LOG.info("%s: version %s in place of %s", source.name, fresh.version, old.version)

    async def watch(self, seconds: float) -> None:
        """Look for new versions for ever; one that cannot be served is told of once and left."""
        while True:
            await asyncio.sleep(seconds)
            for source in self.sources:
                stamp = source.stamp()
                if stamp is None or stamp == self._stamps[source.name]:
                    continue
                try:
                    async with self._turning:
                        await self._renew(source)
                except GraftError as error:
                    self._stamps[source.name] = stamp
                    LOG.warning("%s: the new version is not served: %s", source.name, error)

    def close(self) -> None:
        """Answer what was asked, then end."""
        for one in self.models.values():
            one.close()
        for one in self.models.values():
            one.batcher.join(self.limits.answer_seconds)
        if self.keeping is not None:
            self.keeping.close()


def _fits(what: str, served: Served, width: int) -> None:
    """Raise ArtifactError where features of that width cannot be those of the network."""
    if served.width < width:
        do = "Export the model again, and move its files together"
        raise ArtifactError(must(what, f"for {served.width} features, as the network gives", f"for {width}", do))
