"""
Pure: a run that sends nothing. Pages in, a ledger and a sample of payloads out.

Stands where :class:`reindex.indexer.Indexer` stands in a real run, and gives up where it would.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from reindex.answers import Reason
from reindex.errors import ReindexError, TooManyFailures
from reindex.folding import WOULD_SEND, Result, folded, settled
from reindex.ledger import ChunkLedger, Failure
from reindex.pages import Item, Page
from reindex.payloads import IndexRequest
from reindex.run_ledger import RunLedger
from reindex.run_rate import RunRate, typical

MOST_SAMPLES = 5
MOST_SAMPLE_CHARACTERS = 4_000
CHECKPOINT_SECONDS = 1.0
# What the platform's JSON parser takes ("Discovery indexing API": 413 above 100 kB).
MOST_BODY_BYTES = 100 * 1024

Sample = Mapping[str, object]


@dataclass
class DryRun:
    """
    The dry run of one chunk.

    :param most_refused: gives up when more documents than this cannot be sent
    :param checkpoint: called about once a second with the ledger so far
    :param on_result: called with each item and what it came to
    """

    ledger: ChunkLedger
    most_refused: int
    checkpoint: Callable[[ChunkLedger], None]
    on_result: Callable[[Item, Result], None]
    _requests: dict[str, list[IndexRequest]] = field(default_factory=dict)
    _stop: ReindexError | None = None

    def run(self, pages: Iterable[Page]) -> ChunkLedger:
        """
        Build and check everything.

        :raises TooManyFailures: as a real run of this chunk would
        """
        saved = time.monotonic()
        for page in pages:
            self.ledger = folded(self.ledger, page, [self._result(each) for each in page.items], 0)
            self._give_up_if_it_must()
            if time.monotonic() - saved >= CHECKPOINT_SECONDS:
                self.checkpoint(self.ledger)
                saved = time.monotonic()
        return self.ledger

    def stop(self, error: ReindexError) -> None:
        """End after the page at hand, with ``error``; may be called from a signal handler."""
        self._stop = error

    @property
    def samples(self) -> list[Sample]:
        """Of what would be sent, a few payloads of each type, cut to a bounded size."""
        return spread([[sample_of(each) for each in some] for some in self._requests.values()])

    def _result(self, item: Item) -> Result:
        result = self._checked(item) if isinstance(item, IndexRequest) else settled(item)
        self.on_result(item, result)
        return result

    def _checked(self, request: IndexRequest) -> Result:
        if len(request.body) > MOST_BODY_BYTES:
            message = _too_large(request.body)
            reason = Reason.VALIDATION.value
            return Failure(request.doc_type, request.doc_id, reason, None, 0, message)
        some = self._requests.setdefault(request.doc_type, [])
        if len(some) < MOST_SAMPLES:
            some.append(request)
        return WOULD_SEND

    def _give_up_if_it_must(self) -> None:
        failures = self.ledger.failures
        if self._stop is None and len(failures) > self.most_refused:
            self._stop = TooManyFailures(
                f"{len(failures)} documents cannot be sent, the last because {failures[-1].message}"
                f"; a chunk gives up after {self.most_refused}"
            )
        if self._stop is not None:
            raise self._stop


def found_out(
    run: RunLedger, rates: Iterable[RunRate], ceiling: float | None, samples: Sequence[Sample]
) -> dict[str, object]:
    """
    What the report of a dry run says besides the ledger.

    :param rates: of real runs before it
    :param ceiling: the conf's requests per second
    :return: ``requests`` that a real run would make when none has to be repeated,
        ``estimatedSeconds`` and the rate that it is ``basedOn``, or why there is ``noEstimate``,
        the ``readingSeconds`` that a real run needs as well, and ``samples``
    """
    requests = run.total.wouldSend
    left = run.total_not_reached
    known = typical(rates) if run.chunks and not left else None
    if known is None:
        seconds, based_on = None, None
    else:
        rate, runs = known
        # What is not sent is read all the same: of a run with updatedSince, often nearly all.
        seconds = round(max(requests / min(rate, ceiling or rate), run.seconds), 1)
        based_on = {"docsPerSecond": round(rate, 1), "runs": runs}
    return {
        "requests": requests,
        "estimatedSeconds": seconds,
        "basedOn": based_on,
        "noEstimate": None if based_on else _why_none(run.chunks, left),
        "readingSeconds": round(run.seconds, 1),
        "samples": list(samples),
    }


def _why_none(chunks: int, not_reached: int) -> str:
    if not chunks:
        return "nothing was planned"
    if not_reached:
        return f"{not_reached} documents were not looked at"
    return "no earlier run that was real, green and large enough"


def in_words(found: Mapping[str, object]) -> str:
    """The same for the end of the log's last line."""
    seconds = found["estimatedSeconds"]
    if seconds is None:
        how_long = f"how long they take is not known: {found['noEstimate']}"
    else:
        assert isinstance(seconds, (int, float))
        how_long = f"in about {_duration(max(1, round(seconds)))}"
    return f"nothing was sent; a real run makes {found['requests']} requests, {how_long}"


def _duration(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60} min"


def chunks_to_sample(ledgers: Iterable[ChunkLedger]) -> list[int]:
    """The chunks whose samples are worth a look: for each type some, spread over the run."""
    by_type: dict[str, list[int]] = {}
    for ledger in sorted(ledgers, key=lambda each: each.index):
        for name, counts in ledger.counts.items():
            if counts.wouldSend:
                by_type.setdefault(name, []).append(ledger.index)
    chosen = {index for indexes in by_type.values() for index in _some_of(indexes)}
    return sorted(chosen)


def spread(samples: Iterable[Sequence[Sample]]) -> list[Sample]:
    """The first few, in turn of every type and, within a type, of every list."""
    by_type: dict[str, list[Sample]] = {}
    for each in _in_turn(samples):
        by_type.setdefault(str(each["docType"]), []).append(each)
    return list(_in_turn(by_type.values()))[:MOST_SAMPLES]


def sample_of(request: IndexRequest) -> Sample:
    """A request as a person looks at it: long texts and lists are cut, with a mark."""
    payload = json.loads(request.body)["payload"]
    for characters, items in ((200, 20), (60, 5), (20, 2)):
        cut = _cut(payload, characters, items)
        if len(json.dumps(cut, ensure_ascii=False)) <= MOST_SAMPLE_CHARACTERS:
            break
    else:
        cut = {"…": f"a payload of {len(request.body)} bytes"}
    return {"docType": request.doc_type, "docId": request.doc_id, "payload": cut}


def _in_turn(lists: Iterable[Sequence[Sample]]) -> Iterator[Sample]:
    return (each for row in zip_longest(*lists) for each in row if each is not None)


def _some_of(indexes: Sequence[int]) -> list[int]:
    """At most as many as there are samples, evenly spread, the first among them."""
    step = max(1, len(indexes) / MOST_SAMPLES)
    return [indexes[int(place * step)] for place in range(min(len(indexes), MOST_SAMPLES))]


def _cut(value: object, characters: int, items: int) -> object:
    if isinstance(value, str):
        return _cut_text(value, characters)
    if isinstance(value, list):
        kept = [_cut(each, characters, items) for each in value[:items]]
        return kept if len(value) <= items else [*kept, f"… {len(value) - items} more"]
    if isinstance(value, dict):
        pairs = list(value.items())[:items]
        kept_pairs = {
            _cut_text(key, characters): _cut(each, characters, items) for key, each in pairs
        }
        return (
            kept_pairs if len(value) <= items else {**kept_pairs, "…": f"{len(value) - items} more"}
        )
    return value


def _cut_text(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… {len(text) - characters} more characters"


def _too_large(body: bytes) -> str:
    """Names the field that is to blame; nothing of what it holds."""
    payload = json.loads(body)["payload"]
    largest = max(payload, key=lambda name: len(json.dumps(payload[name])), default="payload")
    return (
        f"its request is {len(body)} bytes long, the API takes {MOST_BODY_BYTES}; "
        f"most of it is payload.{largest}"
    )
