import pytest

torch = pytest.importorskip("torch")

from training import precision  # noqa: E402

CPU = torch.device("cpu")


def product(wanted: bool) -> object:
    left = torch.ones(2, 2)
    with precision.autocast(CPU, wanted):
        return (left @ left).dtype


def test_a_processor_without_bf16_learns_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: False)
    assert product(wanted=True) == torch.float32


def test_a_processor_with_bf16_uses_it_only_if_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "has_bf16", lambda device: True)
    assert product(wanted=True) == torch.bfloat16
    assert product(wanted=False) == torch.float32


def test_what_this_processor_has_is_what_its_features_say() -> None:
    features = getattr(torch.cpu, "get_capabilities", dict)()
    if not features:
        pytest.skip("this torch does not tell the processor's features")
    assert precision.has_bf16(CPU) == bool(features.get("amx_tile") or features.get("avx512_bf16"))
