from tests.models.conftest import serve as serve  # noqa: PLC0414
