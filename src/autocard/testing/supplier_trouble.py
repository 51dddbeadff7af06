"""What suppliers promise when they are answered badly, for the conformance suite."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest

from autocard.spi import (
    Capability,
    RejectedError,
    Response,
    Stage,
    Supplied,
    TransientError,
    UnknownOutcome,
)
from autocard.testing.mutations import (
    GARBAGE,
    NO_ANSWERS,
    CountingClient,
    cut_short,
    read_json,
    reworded,
)
from autocard.testing.rehearsals import CALLS, SPENDS, Rehearsal, is_failed


class TroublePromises:
    """Tests of the conformance suite about answers that are lost, cut, odd or no answers at all."""

    @pytest.mark.parametrize("capability", CALLS)
    def test_errors_of_the_client_go_through(
        self, rehearsal: Rehearsal, capability: Capability
    ) -> None:
        """What the client knows of a request that failed is what the caller is told."""
        errors = (TransientError("not sent"), RejectedError("refused"), UnknownOutcome("lost"))
        for trouble in errors:
            for ending in rehearsal.troubled(capability, trouble):
                if ending.is_bought and ending.is_query:
                    assert not is_failed(ending.outcome), "it was bought before that request"
                elif not (ending.is_query and isinstance(trouble, UnknownOutcome)):
                    assert ending.outcome is trouble, f"{ending.outcome!r} for {trouble!r}"

    @pytest.mark.parametrize("capability", CALLS)
    def test_garbage_proves_nothing(
        self,
        rehearsal: Rehearsal,
        capability: Capability,
        missing_answers: Sequence[Response],
        refused_answers: Sequence[Response],
    ) -> None:
        """
        What is no answer of the supplier's leaves a purchase unknown, and asking to be repeated.

        That is noise, an empty body, a page in HTML, and all of these with the status of a server
        that broke down. A look-up above all must not take it for "there is none such".
        """
        known = [answer.body for answer in (*missing_answers, *refused_answers)]
        bodies = [body for body in NO_ANSWERS if body not in known]
        garbage = [Response(status=200, body=body) for body in bodies]
        garbage += [
            Response(status=status, body=body)
            for status in (408, 500, 502, 503, 504)
            for body in bodies[:5]
        ]
        for trouble in garbage:
            _expect_nothing(rehearsal, capability, trouble)

    def test_garbage_finds_no_purchase_missing(
        self, rehearsal: Rehearsal, missing_answers: Sequence[Response]
    ) -> None:
        """A page in HTML is a question to ask again, whatever its status: not even 404 says no."""
        for status in (301, 302, 400, 401, 403, 404, 410, 413):
            page = Response(status=status, body=b"<html><title>nginx</title></html>")
            for ending in rehearsal.troubled(Capability.FIND_PURCHASE, page):
                assert isinstance(ending.outcome, TransientError), (
                    f"{ending.outcome!r} for HTTP {status}"
                )
        if b"[]" not in [answer.body for answer in missing_answers]:
            nothing = Response(status=200, body=b"[]")
            for ending in rehearsal.troubled(Capability.FIND_PURCHASE, nothing):
                assert ending.outcome is not None, "None for []; is it one of `missing_answers`?"

    @pytest.mark.parametrize("capability", CALLS)
    def test_cut_answers_prove_nothing(self, rehearsal: Rehearsal, capability: Capability) -> None:
        """Half an answer is no answer."""
        for number, answer in enumerate(rehearsal.needed_answers(capability)):
            for body in cut_short(answer.body):
                trouble = attrs.evolve(answer, body=body)
                _expect_nothing(rehearsal, capability, trouble, at=number)

    def test_cut_answers_find_no_purchase_missing(
        self, rehearsal: Rehearsal, missing_answers: Sequence[Response]
    ) -> None:
        """Half of "there is no such purchase" does not say so."""
        rehearsal.need(Capability.FIND_PURCHASE)
        for answer in missing_answers:
            for body in cut_short(answer.body) if read_json(answer.body) is not None else ():
                cut = CountingClient(attrs.evolve(answer, body=body))
                outcome = rehearsal.outcome(Capability.FIND_PURCHASE, cut)
                assert isinstance(outcome, TransientError), f"{outcome!r} for half an answer"

    @pytest.mark.parametrize("capability", [*SPENDS, Capability.FIND_PURCHASE])
    def test_odd_words_prove_no_failure(
        self,
        rehearsal: Rehearsal,
        capability: Capability,
        missing_answers: Sequence[Response],
        refused_answers: Sequence[Response],
    ) -> None:
        """
        An answer with a word that the supplier never says does not mean that nothing was bought.

        Each value of the JSON in `answers` is dropped or replaced in turn: a state, a code or a
        flag that is not known proves nothing.
        """
        known = [read_json(answer.body) for answer in (*missing_answers, *refused_answers)]
        for number, answer in enumerate(rehearsal.needed_answers(capability)):
            for where, body in reworded(answer.body):
                if read_json(body) in known:
                    continue
                trouble = attrs.evolve(answer, body=body)
                for ending in rehearsal.troubled(capability, trouble, at=number):
                    if capability is Capability.FIND_PURCHASE:
                        assert _is_open(ending.outcome), (
                            f"{ending.outcome!r}, because of an odd {where}"
                        )
                    elif ending.is_bought:
                        assert not is_failed(ending.outcome), (
                            f"{ending.outcome!r}, because of an odd {where}"
                        )

    @pytest.mark.parametrize("capability", CALLS)
    def test_any_answer_is_a_value_or_an_error(
        self, rehearsal: Rehearsal, capability: Capability
    ) -> None:
        """Whatever the other side answers, a call returns what makes sense or an `AdapterError`."""
        for number, answer in enumerate(rehearsal.needed_answers(capability)):
            odd = [attrs.evolve(answer, body=body) for _, body in reworded(answer.body)]
            odd += [Response(status=200, body=body) for body in GARBAGE]
            odd += [
                attrs.evolve(answer, status=status)
                for status in (201, 204, 302, 400, 401, 403, 404, 409, 410, 429, 500, 503)
            ]
            for trouble in odd:
                for ending in rehearsal.troubled(capability, trouble, at=number):
                    problem = rehearsal.problem_of(capability, ending.outcome)
                    assert not problem, problem


def _expect_nothing(
    rehearsal: Rehearsal, capability: Capability, trouble: Response, *, at: int | None = None
) -> None:
    """Check that nothing is concluded from *trouble*."""
    for ending in rehearsal.troubled(capability, trouble, at=at):
        shown = (
            f"{ending.outcome!r} for HTTP {trouble.status}, {len(trouble.body)} bytes of nothing"
        )
        if ending.is_bought and ending.is_query:
            assert not is_failed(ending.outcome), shown
        elif ending.is_bought:
            assert isinstance(ending.outcome, UnknownOutcome), shown
        elif capability in SPENDS:
            assert isinstance(ending.outcome, (UnknownOutcome, TransientError)), shown
        else:
            assert isinstance(ending.outcome, TransientError), shown


def _is_open(outcome: object) -> bool:
    """Say whether the *outcome* of a look-up leaves it possible that something was bought."""
    if isinstance(outcome, Supplied):
        return outcome.stage is not Stage.FAILED
    return isinstance(outcome, (TransientError, UnknownOutcome))
