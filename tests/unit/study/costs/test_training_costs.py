"""Memory and operations of a training, against PyTorch's own counts for small models."""

import pytest

from bias_amplification.models.folders import Shape
from bias_amplification.study.costs.training import Training, adapter_parameters
from bias_amplification.study.sections import Adapter

SHAPE = Shape(layers=2, width=16, heads=2, vocabulary=40)


@pytest.mark.parametrize("modules", [None, "all-linear"])
def test_an_adapter_has_at_most_so_many_parameters(modules: str | None) -> None:
    from small_models import small_gpt2

    from bias_amplification.language_model.adapter import LowRankAdapter

    settings = Adapter(rank=3, target_modules=modules)
    counted = LowRankAdapter(small_gpt2(), settings, 1).describe()["parameters"]

    assert counted <= adapter_parameters(SHAPE, settings) <= 1.5 * counted


def test_operations_are_those_that_pytorch_counts() -> None:
    import torch
    from small_models import small_gpt2
    from torch.utils.flop_counter import FlopCounterMode

    model, rows, tokens = small_gpt2(), 3, 24
    batch = torch.randint(0, 40, (rows, tokens))
    # Without the embeddings of positions, which take part in no product.
    parameters = sum(p.numel() for p in model.parameters()) - model.transformer.wpe.weight.numel()
    counts = {}
    for name, settings in {"full": None, "adapter": Adapter(rank=1)}.items():
        if settings:
            from bias_amplification.language_model.adapter import LowRankAdapter

            LowRankAdapter(model, settings, 1)
        model.config._attn_implementation = "eager"
        with FlopCounterMode(display=False) as counter:
            model(batch, labels=batch).loss.backward()
        expected = Training(parameters, SHAPE, rows, tokens, adapter=settings).operations * rows * tokens
        counts[name] = (counter.get_total_flops(), expected)

    # Biases and norms are parameters, but hardly operations. An adapter's own products are not counted.
    assert counts["full"][0] == pytest.approx(counts["full"][1], rel=0.1)
    assert counts["adapter"][0] == pytest.approx(counts["adapter"][1], rel=0.2)
    assert counts["adapter"][0] < counts["full"][0]


def test_devices_divide_what_they_share() -> None:
    whole = Training(1_000_000, SHAPE, 8, 32)
    copied = Training(1_000_000, SHAPE, 8, 32, devices=4)
    divided = Training(1_000_000, SHAPE, 8, 32, devices=4, sharded=True)

    assert (whole.weights, whole.optimizer, whole.state) == (4_000_000, 12_000_000, 12_000_000)
    assert (copied.weights, copied.optimizer) == (whole.weights, whole.optimizer)
    assert (divided.weights, divided.optimizer) == (1_000_000, 3_000_000)
    assert divided.activations == copied.activations < whole.activations
    assert divided.state == whole.state
    assert divided.gathered > 0 == copied.gathered
