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

__all__ = ["main"]


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


class _Pieces:
    """Takes tokens as they come and says their text, up to a text that ends the answer."""

    def __init__(self, tokenizer: Any, stops: list[str], say: Any, stopped: _Stopped) -> None:
        self._tokenizer, self._stops, self._say, self._stopped = tokenizer, stops, say, stopped
        self._ids: list[int] = []
        self._told = 0
        self._prompt = True
        self.text = ""

    def put(self, value: Any) -> None:
        """Take tokens; the first are the prompt's."""
        if self._prompt:
            self._prompt = False
            return
        self._ids += value.reshape(-1).tolist()
        text = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        for stop in self._stops:
            if (at := text.find(stop)) >= 0:
                text, self._stopped.found = text[:at], True
        self.text = text
        if not self._stopped.found:
            # What may be the beginning of a stop, or of a letter, waits for the next token.
            held = max((_overlap(text, stop) for stop in self._stops), default=0)
            text = text[: len(text) - held].removesuffix("\ufffd")
        self._tell(text)

    def end(self) -> None:
        """Say what was held back."""
        if not self._prompt:
            self._tell(self.text)

    def _tell(self, text: str) -> None:
        if len(text) > self._told:
            self._say(text[self._told :])
            self._told = len(text)

    @property
    def tokens(self) -> int:
        """How many there were."""
        return len(self._ids)


def _overlap(text: str, stop: str) -> int:
    return next((n for n in range(len(stop) - 1, 0, -1) if text.endswith(stop[:n])), 0)


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
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=not hub)
        if tokenizer.chat_template is None:
            tokenizer.chat_template = PLAIN
        self.chat = Chat(tokenizer)

    def answer(self, said: dict[str, Any], calls: _Calls, say: Any) -> None:
        """Answer a call: pieces, the end of each choice, the end."""
        import torch  # noqa: PLC0415
        from transformers import StoppingCriteriaList  # noqa: PLC0415

        tokenizer, chat = self.chat.tokenizer, "messages" in said
        if chat:
            text = self.chat.render(said["messages"], said["tools"], ask=True)
        else:
            text = said["prompt"] or tokenizer.bos_token or tokenizer.eos_token
        ids = tokenizer(text, add_special_tokens=not chat, return_tensors="pt")
        prompt = ids["input_ids"].shape[1]
        room = getattr(self.model.config, "max_position_embeddings", None) or 1 << 20
        if prompt >= room:
            say(error=f"the prompt has {prompt:,} tokens; the model takes {room:,} with its answer",
                code="context_length_exceeded")  # fmt: skip
            return
        limit = min(said["tokens"], room - prompt)
        drawn: dict[str, Any] = {
            "do_sample": False,
            "temperature": None,
            "top_p": None,
            "top_k": None,
        }
        if said["temperature"] > 0:
            drawn = {
                "do_sample": True, "temperature": said["temperature"], "top_p": said["top_p"],
                "top_k": 0,
            }  # fmt: skip
        for index in range(said["choices"]):
            if said["seed"] is not None:
                torch.manual_seed((said["seed"] + index) % 2**63)
            stopped = _Stopped(calls, said["number"])
            pieces = _Pieces(
                tokenizer, said["stop"], lambda text, at=index: say(choice=at, text=text), stopped
            )
            with torch.inference_mode():
                self.model.generate(
                    input_ids=ids["input_ids"].to(self.model.device),
                    attention_mask=ids["attention_mask"].to(self.model.device),
                    max_new_tokens=limit, streamer=pieces, use_cache=True,
                    stopping_criteria=StoppingCriteriaList([stopped]),
                    pad_token_id=tokenizer.pad_token_id or tokenizer.eos_token_id, **drawn,
                )  # fmt: skip
            ended = stopped.found or pieces.tokens < limit
            say(choice=index, reason="stop" if ended else "length", tokens=pieces.tokens)
            if said["number"] in calls.dropped:
                break
        say(done=True, prompt=prompt)


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
        except Exception as error:  # noqa: BLE001  (whatever it is, the caller is told)
            text = str(error).strip().partition("\n")[0][:300]
            say(
                error=f"the model cannot answer: {type(error).__name__}: {text}", code="model_error"
            )


if __name__ == "__main__":
    main()
