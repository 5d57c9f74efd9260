"""Secrets are recognised and masked, whatever stands around them."""

import logging

from hypothesis import given
from hypothesis import strategies as st

from weighbridge.core.secrets import MASKED, MaskingFormatter, mask, names_secret

KEY = 'se"cr\\et-9'


def test_the_clients_key_is_masked_as_it_is_and_as_json_writes_it() -> None:
    echoed = f'401 wrong key {KEY}: {{"key": "se\\"cr\\\\et-9"}}'
    assert mask(echoed, [KEY, None]) == f'401 wrong key {MASKED}: {{"key": "{MASKED}"}}'
    assert mask("a word and x", ["x", ""]) == "a word and x", "a key that is hardly one"


def test_what_looks_like_a_secret_is_masked_without_knowing_it() -> None:
    url = "see https://me:pass-w0rd@host/x and hf_" + "aB3" * 11
    assert mask(url) == f"see https://{MASKED}@host/x and {MASKED}"
    assert mask("Authorization: Bearer abcdef123456") == f"Authorization: {MASKED}"
    assert mask('{"api_key": "abcdef"}') == f'{{"api_key": "{MASKED}"}}'
    plain = f"http://127.0.0.1:8000/v1 task-sk-12 sha256 {'0d1878a7' * 8}"
    assert mask(plain) == plain


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_key_never_stays(before: str, after: str) -> None:
    assert KEY not in mask(before + KEY + after, [KEY])


def test_names() -> None:
    secret = ("HF_TOKEN", "--api-key", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD", "PGPASSWORD")
    assert all(map(names_secret, secret))
    harmless = (
        "TOKENIZERS_PARALLELISM",
        "--tokenizer",
        "--max-num-batched-tokens",
        "--ssl-keyfile",
        "--speculative-token-map",
        "MONKEY",
        "",
    )
    assert not any(map(names_secret, harmless))


def test_log_messages_and_their_tracebacks_are_masked() -> None:
    class Formatter(MaskingFormatter):
        """Hides for this test alone."""

    Formatter.hide(KEY)
    try:
        raise ValueError(KEY)
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "a key: %s", (KEY,), told)
    text = Formatter("%(message)s").format(record)
    assert KEY not in text
    assert text.count(MASKED) == 2
