"""What a job's verdict gives as reasons: what keeps a service from taking it, and a trainer from learning."""

from __future__ import annotations

from typing import Any, Final

from graders.inspection.meaning.entry import Meaning
from graders.inspection.meaning.job import BOTH, CHECK, GOOD, asking, case, python, reason, row

__all__ = ["VERDICTS"]

_JSON: Final = {**CHECK, "input": "{{ sample.output_json.city }}"}
_LONG: Final = "0 * len(sample['output_text'])"  # The answer is read, and counts for nothing.


def _hyper(**values: Any) -> dict[str, Any]:
    return {"method": {"reinforcement": {"hyperparameters": values}}}


def _named(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Return rows whose prompts differ."""
    return [
        {**one, "messages": [{"role": "user", "content": f"The capital of country {at}?"}]}
        for at, one in enumerate(rows)
    ]


def _target(target: str) -> str:
    return f"graders job run body.json --target {target}"


def _drawn(*lines: str) -> dict[str, Any]:
    drawn = python(*lines)
    return {**drawn, "source": f"import random\n\n\n{drawn['source']}"}


VERDICTS: Final[tuple[Meaning, ...]] = (
    # Refused.
    reason(
        "base_model_off", "OpenAI has switched the base model off.",
        "Take --target azure or local, where the same grader goes on; see docs/howto/next-home.md.",
        case(*GOOD, words=_target("openai")),
        why="o4-mini was the only one for reinforcement there.",
    ),
    reason(
        "no_new_jobs", "OpenAI takes no new fine-tuning jobs from 2027-01-06 on.",
        "Take --target azure or local, where the same grader goes on; see docs/howto/next-home.md.",
        case(*GOOD, words=_target("openai"), note="It is 2027-01-06 or later."),
    ),
    reason(
        "judge_off", "OpenAI has switched off a model that grades.",
        "Name another judge in the grader, or map it with --model-map where you run it yourself.",
        case(*GOOD, grader=asking("o3-mini-2025-01-31"), words=_target("openai"), note="The judge's key is set."),
    ),
    reason(
        "base_model", "The model takes no reinforcement fine-tuning at this service.",
        "Name one that does, such as o4-mini-2025-04-16; the message lists what is known.",
        case(*GOOD, body={"model": "gpt-4o-mini-2024-07-18"}, words=_target("azure")),
    ),
    reason(
        "too_many_python_errors", "More than a tenth of the grades ended in a python error.",
        "Read the first failure in the table; graders explain python_grader_runtime_error.",
        case(*GOOD, grader=python("return 1.0 if sample['output_text'] == 'Paris' else float('?')")),
        why="The hosted service fails a job with too many; it does not say how many.",
    ),
    # Teaches nothing.
    reason(
        "nothing_scored", "No training sample has a reward.",
        "Read the table of failures: it has the code, the count and the first line.",
        case(row("no JSON"), grader=_JSON, validation=[row("none either")]),
    ),
    reason(
        "one_scored", "A single training sample has a reward: there is nothing beside it.",
        "Read the table of failures: it says why the others have none.",
        case(row("no JSON", '{"city": "Paris"}'), grader=_JSON),
    ),
    reason(
        "constant_reward", "All training samples have the same reward: there is nothing to learn.",
        "Make the grader tell good answers from better ones, or the prompts harder or easier.",
        case(row("Paris", "Paris"), row("Paris", "Paris")),
    ),
    reason(
        "no_signal", "Within every prompt all samples have the same reward.",
        "Give partial credit, or choose prompts that the model answers now right, now wrong.",
        case(*_named(row("Paris", "Paris"), row("Rome", "Rome"))),
        why="A step learns from the differences between the answers to one prompt.",
    ),
    reason(
        "contradictory_rows", "Rows of the same prompt reward opposite answers.",
        "Give each prompt one right answer, or say in the prompt what tells them apart.",
        case(row("heads", "tails", answer="heads"), row("heads", "tails", answer="tails")),
        why="On the whole every answer gets the same.",
    ),
    reason(
        "ignores_answer", "No part of the grader reads the sample.",
        "Let a template name {{ sample.output_text }}, or a python grader read sample.",
        case(*_named(*(row("Paris", n=at) for at in range(4))), grader=python("return item['n'] / 4")),
    ),
    reason(
        "depends_on_item", "Answers of other rows got the same reward: rewards are about the row alone.",
        "Let the answer count, and record several answers of a prompt to see that it does.",
        case(
            *_named(*(row(f"answer {at}", n=at) for at in range(8))),
            grader=python(f"return item['n'] / 8 + {_LONG}"),
        ),
    ),
    reason(
        "random_reward", "The same answer gets another reward each time, and answers differ no more than that.",
        "Take chance out of the grader; of a judge, lower the temperature or mean several repeats.",
        case(
            *_named(*(row("1", "22", "333", "4444") for _ in range(8))),
            grader=_drawn(f"return random.random() + {_LONG}"),
        ),
    ),
    reason(
        "no_whole_batch", "batch_size is more than the rows: a trainer takes no step at all.",
        "Lower batch_size, leave it at auto, or give more rows.",
        case(*GOOD, body=_hyper(batch_size=64)),
        why="Trainers leave out a batch that is not whole.",
    ),
    reason(
        "one_sample", "compute_multiplier leaves one sample of a prompt: it has nothing to be compared with.",
        "Raise compute_multiplier, or leave it at auto.",
        case(*GOOD, body=_hyper(compute_multiplier=0.1)),
    ),
    reason(
        "no_learning_rate", "learning_rate_multiplier leaves the weights as they are.",
        "Raise learning_rate_multiplier, or leave it at auto.",
        case(*GOOD, body=_hyper(learning_rate_multiplier=1e-9)),
    ),
    # Not known, and warnings.
    reason(
        "grader_unanswered", "Whoever is asked for rewards, a judge or an endpoint, gave no answer here.",
        "Look at the server of --base-url, or at the endpoint; then graders job resume.",
        case(*GOOD, grader=asking("my-judge"), note="A key is set, and the server of --base-url is not there."),
    ),
    reason(
        "lint_error", "The linter has an error: about what the target takes, about rewards, or about rows.",
        "graders explain with the code of the rule (G and three digits) has the cure.",
        case(*GOOD, grader={
            "type": "multi", "name": "both", "calculate_output": "exact * 0", "graders": {"exact": CHECK},
        }),
    ),
    reason(
        "failed_grades", "Some samples could not be scored; the hosted service gives them 0.0.",
        "Read the table of failures; graders explain has each code.",
        case(row('{"city": "Paris"}', '{"city": "Rome"}', "no JSON"), grader=_JSON),
    ),
    reason(
        "failed_rollouts", "Some prompts got no answer from the model.",
        "Look at the server of --rollout-url; graders job resume asks again.",
        case(row(), note="The server of --rollout-url fails now and then."),
    ),
    reason(
        "likely_cause", "What the linter finds that may keep rewards from differing.",
        "graders explain with the code of the rule (G and three digits) has the cure.",
        case(row("paris", "Oslo"), row("paris", "Rome")),
        why="Most rewards that never vary compare texts that can never be equal.",
    ),
    reason(
        "little_signal", "In more than half of the prompts all samples have the same reward.",
        "Give partial credit, or leave out prompts that are always right or always wrong.",
        case(*_named(row("Paris", "Paris"), row("Paris", "Paris"), BOTH)),
    ),
    reason(
        "noisy_reward", "Some answers got another reward when they were graded again.",
        "Take chance out of the grader; of a judge, lower the temperature or mean several repeats.",
        case(
            *_named(*(row("1", "22", "333", "4444") for _ in range(8))),
            grader=_drawn("return len(sample['output_text']) + random.random() / 100"),
        ),
    ),
    reason(
        "signal_unknown", "No prompt has two samples with a reward, so nobody can say whether they differ.",
        "Record several answers of a prompt under samples, or name a server by --rollout-url.",
        case(*_named(row("Paris"), row("Rome"))),
    ),
    reason(
        "validation_unscored", "No validation sample has a reward: no evaluation tells checkpoints apart.",
        "Read the table of failures; the validation file may lack what the templates name.",
        case(row('{"city": "Paris"}', '{"city": "Rome"}'), grader=_JSON, validation=[row("no JSON")]),
    ),
    reason(
        "validation_constant", "All validation samples have the same reward: so far no evaluation tells checkpoints apart.",
        "Record several answers of each validation prompt, or take harder or easier ones.",
        case(BOTH, validation=[row("Paris"), row("Paris")]),
    ),
    reason(
        "one_step", "All training rows are one batch: the job takes a single step.",
        "Lower batch_size, or give more rows.",
        case(*GOOD, body=_hyper(batch_size=2)),
    ),
)  # fmt: skip
"""Those that refuse, those that teach nothing, and the others."""
