"""The process that answers by local models: one call after the other, one model at a time.

It reads calls as lines of JSON on its input and writes pieces of answers on its output; the end of its input is its
end. Like `worker`, a program of its own, for it imports torch.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from typing import Any

from graders import jsontext
from graders.training.chat import PLAIN, Chat
from graders.training.constraint import ConstraintError, Constraints, ends_of
from graders.training.tool import names_of

__all__ = ["main"]


class _Calls:
    """The calls that wait, and those that nobody waits for any more."""

    def __init__(self) -> None:
        self.waiting: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self.dropped: set[int] = set()

    def read(self) -> None:
        """Read them to the end of the input, which is this process's."""
        for line in sys.stdin.buffer:
            said = jsontext.decode(line)
            if "drop" in said:
                self.dropped.add(said["drop"])
            else:
                self.waiting.put(said)
        os._exit(0)


class _Stopped:
    """Ends a generation from outside: transformers ask it after each token."""

    def __init__(self, calls: _Calls, number: int) -> None:
        self._calls, self._number = calls, number
        self.found = False

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch  # noqa: PLC0415

        del scores
        over = self.found or self._number in self._calls.dropped
        return torch.full((input_ids.shape[0],), over, device=input_ids.device, dtype=torch.bool)


class _Likely:
    """Notes how likely tokens were, as the model has it: before temperature, top_p and schema.

    Args:
        tokenizer: the model's.
        most: of how many tokens, the likeliest, it is told beside the one that was drawn.
    """

    def __init__(self, tokenizer: Any, most: int) -> None:
        self._tokenizer, self._most = tokenizer, most
        self._scores: Any = None

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        del input_ids
        self._scores = scores[0]
        return scores

    def of(self, token: int) -> dict[str, Any]:
        """Return what the API tells of a token that was drawn."""
        logs = self._scores.float().log_softmax(-1)
        values, ids = logs.topk(min(self._most, len(logs)))
        others = [self._shown(*pair) for pair in zip(ids.tolist(), values.tolist(), strict=True)]
        return {**self._shown(token, float(logs[token])), "top_logprobs": others}

    def _shown(self, token: int, log: float) -> dict[str, Any]:
        text = self._tokenizer.decode([token])
        # A token may be a piece of a letter, of which the tokenizer does not say the bytes.
        octets = None if "\ufffd" in text else list(text.encode())
        return {"token": text, "logprob": max(log, -9999.0), "bytes": octets}


class _Pieces:
    """Takes tokens as they come and says their text, up to a text that ends the answer.

    Args:
        tokenizer: the model's.
        said: the call.
        say: takes what is said of a choice.
        stopped: ends the generation.
        ends: the tokens that end an answer.

    Attributes:
        likely: tells how likely tokens were; None where nobody asks.
        ids: the answer.
        text: its text, up to what ends it.
    """

    def __init__(
        self, tokenizer: Any, said: dict[str, Any], say: Any, stopped: _Stopped, ends: list[int]
    ) -> None:
        self._tokenizer, self._say, self._stopped = tokenizer, say, stopped
        self._stops, self._ends = said["stop"], ends
        # What may be a call of a tool is told at its end, when it is known whether it is one.
        self._whole = bool(said.get("tools"))
        self.likely: _Likely | None = None
        if said.get("likely") is not None:
            self.likely = _Likely(tokenizer, said["likely"])
        self._logprobs: list[dict[str, Any]] = []
        self._told = 0
        self._prompt = True
        self.ids: list[int] = []
        self.text = ""

    def put(self, value: Any) -> None:
        """Take tokens; the first are the prompt's."""
        if self._prompt:
            self._prompt = False
            return
        for token in value.reshape(-1).tolist():
            self.ids.append(token)
            if self.likely is not None and token not in self._ends:
                self._logprobs.append(self.likely.of(token))
        text = self._tokenizer.decode(self.ids, skip_special_tokens=True)
        for stop in self._stops:
            if (at := text.find(stop)) >= 0:
                text, self._stopped.found = text[:at], True
        self.text = text
        if not self._stopped.found:
            # What may be the beginning of a stop, or of a letter, waits for the next token.
            held = max((_overlap(text, stop) for stop in self._stops), default=0)
            text = text[: len(text) - held].removesuffix("\ufffd")
        if not self._whole:
            self._tell(text)

    def end(self) -> None:
        """Say what was held back."""
        if not (self._prompt or self._whole):
            self._tell(self.text)

    def tell_whole(self, text: str, calls: list[dict[str, Any]] | None) -> None:
        """Say an answer that waited for its end."""
        told: dict[str, Any] = {} if calls is None else {"calls": calls}
        if self.likely is not None:
            told["logprobs"] = self._logprobs
        self._say(text=text, **told)

    def _tell(self, text: str) -> None:
        if len(text) > self._told:
            told = {} if self.likely is None else {"logprobs": self._logprobs}
            self._say(text=text[self._told :], **told)
            self._told, self._logprobs = len(text), []


def _overlap(text: str, stop: str) -> int:
    return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)


class _Refused(Exception):  # noqa: N818  (a call is refused)
    """A call that this model cannot answer; says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Model:
    """The model that is loaded."""

    def __init__(self, said: dict[str, Any]) -> None:
        import torch  # noqa: PLC0415
        from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415

        folder, base, hub = said["folder"], said["base"], said["hub"]
        cuda = torch.cuda.is_available()
        dtype = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else torch.float32
        model = AutoModelForCausalLM.from_pretrained(
            base or folder, dtype=dtype, local_files_only=not hub
        )
        if base:
            from peft import PeftModel  # noqa: PLC0415

            model = PeftModel.from_pretrained(model, folder)
        self.model = model.to("cuda" if cuda else "cpu").eval()
        self.tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=not hub)
        if self.tokenizer.chat_template is None:
            self.tokenizer.chat_template = PLAIN
        self._ends = ends_of(self.tokenizer, self.model)
        self._constraints: Constraints | None = None

    def answer(self, said: dict[str, Any], calls: _Calls, say: Any) -> None:
        """Answer a call: pieces, the end of each choice, the end.

        Raises:
            _Refused: the model cannot.
        """
        chat = Chat(
            self.tokenizer, {"reasoning_effort": said["effort"]} if said.get("effort") else None
        )
        ids, limit = self._prompt(chat, said)
        prompt = ids["input_ids"].shape[1]
        held = self._held(said.get("schema"))
        for index in range(said["choices"]):
            stopped = _Stopped(calls, said["number"])
            pieces = _Pieces(
                self.tokenizer, said, lambda at=index, **told: say(choice=at, **told), stopped,
                self._ends,
            )  # fmt: skip
            processors = [one for one in (pieces.likely, held.fresh() if held else None) if one]
            self._generate(
                ids, {**said, "index": index, "tokens": limit}, pieces, stopped, processors
            )
            ended = stopped.found or len(pieces.ids) < limit or pieces.ids[-1] in self._ends
            reason = "stop" if ended else "length"
            if said.get("tools"):
                found = chat.calls(pieces.ids, names_of(said["tools"]), self._ends)
                if found is not None:
                    reason = "tool_calls"
                pieces.tell_whole(*((found[0] or "", found[1]) if found else (pieces.text, None)))
            say(choice=index, reason=reason, tokens=len(pieces.ids))
            if said["number"] in calls.dropped:
                break
        say(done=True, prompt=prompt)

    def _prompt(self, chat: Chat, said: dict[str, Any]) -> tuple[Any, int]:
        """Return the tokens of a prompt, and how many an answer may have."""
        if "messages" in said:
            try:
                text = chat.render(said["messages"], said["tools"], ask=True)
            except Exception as error:  # noqa: BLE001  (templates raise what they like)
                says = str(error).strip().partition("\n")[0][:300]
                raise _Refused(
                    "invalid_value",
                    f"the model's chat template does not take these messages: {says}",
                ) from None
        else:
            text = said["prompt"] or self.tokenizer.bos_token or self.tokenizer.eos_token
        ids = self.tokenizer(text, add_special_tokens="messages" not in said, return_tensors="pt")
        prompt = ids["input_ids"].shape[1]
        room = getattr(self.model.config, "max_position_embeddings", None) or 1 << 20
        if prompt >= room:
            raise _Refused(
                "context_length_exceeded",
                f"the prompt has {prompt:,} tokens; the model takes {room:,} with its answer",
            )
        return ids, min(said["tokens"], room - prompt)

    def _held(self, schema: dict[str, Any] | None) -> Any:
        """Return what holds answers to a schema; None for none."""
        if schema is None:
            return None
        try:
            if self._constraints is None:
                self._constraints = Constraints(self.tokenizer, self._ends)
            return self._constraints.processor(schema)
        except ConstraintError as error:
            raise _Refused(
                "invalid_value", f"response_format cannot be held by this model: {error}"
            ) from None

    def _generate(
        self, ids: Any, said: dict[str, Any], pieces: _Pieces, stopped: _Stopped, processors: list[Any]
    ) -> None:  # fmt: skip
        import torch  # noqa: PLC0415
        from transformers import LogitsProcessorList, StoppingCriteriaList  # noqa: PLC0415

        drawn: dict[str, Any] = {
            "do_sample": False,
            "temperature": None,
            "top_p": None,
            "top_k": None,
        }
        if said["temperature"] > 0:
            # What is nucleus sampling at 0 is the likeliest token.
            top_p = max(said["top_p"], 1e-6)
            drawn = {
                "do_sample": True, "temperature": said["temperature"], "top_p": top_p, "top_k": 0,
            }  # fmt: skip
        if said["seed"] is not None:
            torch.manual_seed((said["seed"] + said["index"]) % 2**63)
        tokenizer = self.tokenizer
        with torch.inference_mode():
            self.model.generate(
                input_ids=ids["input_ids"].to(self.model.device),
                attention_mask=ids["attention_mask"].to(self.model.device),
                max_new_tokens=said["tokens"], streamer=pieces, use_cache=True,
                stopping_criteria=StoppingCriteriaList([stopped]),
                logits_processor=LogitsProcessorList(processors),
                pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id, **drawn,
            )  # fmt: skip


def main() -> None:
    """Answer calls until the input ends."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # What libraries print is no word of ours.
    calls = _Calls()
    threading.Thread(target=calls.read, daemon=True).start()
    loaded: tuple[Any, _Model] | None = None
    while (said := calls.waiting.get()) is not None:
        number = said["number"]

        def say(number: int = number, **told: Any) -> None:
            output.write(jsontext.encode({"number": number, **told}) + b"\n")

        if number in calls.dropped:
            continue
        wanted = said["of"]
        try:
            if loaded is None or loaded[0] != wanted:
                loaded = None  # Two models may not fit.
                loaded = (wanted, _Model(wanted))
            loaded[1].answer(said, calls, say)
        except _Refused as error:
            say(error=str(error), code=error.code)
        except Exception as error:  # noqa: BLE001  (whatever it is, the caller is told)
            text = str(error).strip().partition("\n")[0][:300]
            say(
                error=f"the model cannot answer: {type(error).__name__}: {text}", code="model_error"
            )


if __name__ == "__main__":
    main()
