"""Adapters (LoRA): what they change, how they are trained, and that the saved model is an ordinary one."""

import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest
import torch
from killed_trainings import Killed, KilledAfter
from safetensors.torch import load_file
from small_models import ARCHITECTURES, small_gpt2, untrained

from bias_amplification.artifacts import StudyError, read_table, write_table
from bias_amplification.artifacts.checkpoint import Checkpoint
from bias_amplification.artifacts.schemas import TRAINING_LOG, TRAINING_SET
from bias_amplification.language_model.adapter import LowRankAdapter
from bias_amplification.language_model.finetune import InitialModel, finetune_generation
from bias_amplification.language_model.load import load_model
from bias_amplification.language_model.training import train
from bias_amplification.models.output_head import output_weight
from bias_amplification.study.sections import Adapter, Finetuning, JobCompute

EXAMPLES = [[5, 6, 7, 8, 9, 10], [11, 12], [13, 0, 14, 15], [16, 17, 18], [19, 20, 21, 22]]
CPU = JobCompute(device="cpu")


def recipe(adapter: Adapter, epochs: int = 3, batch_size: int = 2) -> Finetuning:
    return Finetuning(epochs=epochs, batch_size=batch_size, learning_rate=1e-2, weight_decay=0.1, adapter=adapter)


def plain(name: str):
    """Return a model without dropout of its own."""
    return small_gpt2() if name == "gpt2" else untrained(name)


def adapted(name: str, settings: Adapter, seed: int = 1):
    model = plain(name)
    return model, LowRankAdapter(model, settings, seed)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
@pytest.mark.parametrize("modules", [None, "all-linear"])
def test_merged_weights_are_the_base_and_the_scaled_product(name: str, modules: str | None) -> None:
    before = {key: weight.clone() for key, weight in plain(name).state_dict().items()}
    settings = Adapter(rank=3, alpha=5.0, target_modules=modules)
    model, adapter = adapted(name, settings)
    train(model, EXAMPLES, recipe(settings), pad=0, seed=1, compute=CPU)
    matrices = {key: weight.detach().double() for key, weight in model.named_parameters() if "lora_" in key}
    products = {
        key.replace("lora_A.default.", ""): 5 / 3 * (matrices[key.replace("lora_A", "lora_B")] @ a)
        for key, a in matrices.items()
        if "lora_A" in key
    }
    tokens = torch.tensor([EXAMPLES[0]])
    logits = model.eval()(tokens).logits.detach()

    adapter.merge()

    after = model.state_dict()
    assert list(after) == list(before) and len(products) >= 2
    for key, weight in before.items():
        if key not in products:
            assert torch.equal(after[key], weight), key
            continue
        # GPT-2 stores [inputs, outputs].
        product = products[key].T if name == "gpt2" else products[key]
        assert product.abs().max() > 1e-3
        assert torch.allclose(after[key].double(), weight.double() + product, rtol=0, atol=1e-6), key
    assert torch.allclose(model(tokens).logits, logits, atol=1e-4)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


@pytest.mark.parametrize(("name", "modules"), [("gpt2", None), ("llama", ["q_proj", "mlp.down_proj"])])
def test_a_step_is_that_of_peft_and_pytorch_by_hand(name: str, modules: list[str] | None) -> None:
    from peft import LoraConfig, get_peft_model

    settings = Adapter(rank=2, alpha=4.0, target_modules=modules)
    model, _ = adapted(name, settings)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=modules, fan_in_fan_out=name == "gpt2")
    hand = get_peft_model(plain(name), config)
    ours = {key: weight for key, weight in model.named_parameters() if weight.requires_grad}
    theirs = {key.removeprefix("base_model.model."): w for key, w in hand.named_parameters() if w.requires_grad}
    assert list(ours) == list(theirs)
    for key, weight in theirs.items():
        # B is not zero, so that A has a gradient too.
        weight.data.copy_(torch.randn(weight.shape) * 0.1)
        ours[key].data.copy_(weight.data)

    log, _ = train(model, EXAMPLES, recipe(settings, epochs=1, batch_size=5), pad=0, seed=1, compute=CPU)

    optimizer = torch.optim.AdamW(theirs.values(), lr=1e-2, weight_decay=0.1)
    hand.train()
    total, count = torch.tensor(0.0), 0
    for example in EXAMPLES:
        logits = hand(torch.tensor([example])).logits[0, :-1]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(example[1:]), reduction="sum")
        count += len(example) - 1
    (total / count).backward()
    torch.nn.utils.clip_grad_norm_(theirs.values(), 1.0)
    optimizer.step()
    assert log["loss"].to_pylist() == pytest.approx([(total / count).item()], rel=1e-5)
    for key, weight in ours.items():
        # Where a gradient is nearly zero, AdamW turns its rounding into a step of the learning rate.
        assert torch.allclose(weight, theirs[key], atol=1e-5), key


@pytest.mark.parametrize("stop", [2, 5])
def test_an_interrupted_training_goes_on_to_the_same_bits(tmp_path: Path, stop: int) -> None:
    settings, path = Adapter(rank=4, dropout=0.3, target_modules=["c_attn", "c_fc"]), tmp_path / "job.safetensors"

    def run(checkpoint: Checkpoint | None) -> dict[str, torch.Tensor]:
        model, adapter = adapted("gpt2", settings)
        train(model, EXAMPLES, recipe(settings), pad=0, seed=1, compute=CPU, checkpoint=checkpoint)
        adapter.merge()
        return model.state_dict()

    expected = run(None)
    with pytest.raises(Killed):
        run(KilledAfter(path, stop))
    saved = load_file(path)
    found = run(Checkpoint(path))

    assert all(torch.equal(found[key], weight) for key, weight in expected.items())
    # Only the matrices and their moments are saved: two matrices of two modules of two blocks.
    assert len(saved) == 3 * 2 * 2 * 2 and all("lora_" in key for key in saved)


@pytest.mark.parametrize("change", [{"alpha": 3.0}, {"rank": 3}, {"dropout": 0.1}])
def test_the_state_of_another_adapter_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture, change: dict) -> None:
    settings, path = Adapter(rank=2, alpha=2.0), tmp_path / "job.safetensors"
    other = settings.model_copy(update=change)
    with pytest.raises(Killed):
        train(
            adapted("gpt2", settings)[0],
            EXAMPLES,
            recipe(settings),
            pad=0,
            seed=1,
            compute=CPU,
            checkpoint=KilledAfter(path, 2),
        )

    model = adapted("gpt2", other)[0]
    train(model, EXAMPLES, recipe(other), pad=0, seed=1, compute=CPU, checkpoint=Checkpoint(path))

    assert "belongs to other inputs" in capsys.readouterr().out


def test_the_loss_is_still_that_of_the_output_head() -> None:
    model, _ = adapted("llama", Adapter(target_modules="all-linear"))

    assert output_weight(model) is model.lm_head.weight
    assert not model.lm_head.weight.requires_grad


@pytest.mark.parametrize(
    ("name", "modules", "sentence"),
    [
        (
            "gpt2",
            ["c_attn", "q_proj"],
            "has q_proj, but the model has no matrix of weights of this name: use some of wte",
        ),
        (
            "gpt2",
            ["attn"],
            "has attn, but the model has no matrix of weights of this name: use some of wte, wpe, c_attn",
        ),
        ("gpt2", ["lm_head"], "has lm_head, but the model has the same weights for its embeddings and for its output "),
        ("gpt2", ["wte"], "has wte, but the model has the same weights for its embeddings and for its output head"),
    ],
)
def test_modules_that_cannot_be_changed(name: str, modules: list[str], sentence: str | None) -> None:
    with pytest.raises(StudyError) as caught:
        adapted(name, Adapter(target_modules=modules))

    assert str(caught.value).startswith(f"finetuning.adapter.target_modules {sentence}")
    assert "\n" not in str(caught.value)


def test_an_architecture_that_peft_does_not_know() -> None:
    model = small_gpt2()
    model.config.model_type = "unheard"

    with pytest.raises(StudyError, match=r"target_modules is null, but peft has no default for .* 'unheard': name th"):
        LowRankAdapter(model, Adapter(), 1)


def test_a_generation_with_an_adapter_has_the_files_of_any_other(base: SimpleNamespace, tmp_path: Path) -> None:
    rows = {"position": range(6), "origin": ["seed_set"] * 6, "article_id": [f"a{k}" for k in range(6)]}
    write_table(pa.table(rows), tmp_path / "set.parquet", TRAINING_SET)
    folders = {}
    for name, adapter in {"full": None, "one": Adapter(rank=4), "two": Adapter(rank=4)}.items():
        folders[name] = tmp_path / name
        finetune_generation(
            tmp_path / "set.parquet",
            {"seed_set": base.seed_set},
            InitialModel(base.folder, base.folder),
            folders[name],
            Finetuning(epochs=6, batch_size=4, learning_rate=1e-2, max_tokens=64, adapter=adapter),
            seed=5,
            compute=CPU,
        )

    full, one, before = (
        load_file(place / "model.safetensors") for place in (folders["full"], folders["one"], base.folder)
    )
    assert {name: (w.dtype, w.shape) for name, w in one.items()} == {
        name: (w.dtype, w.shape) for name, w in full.items()
    }
    assert {name for name, weight in one.items() if not torch.equal(weight, before[name])} == {
        f"transformer.h.{block}.attn.c_attn.weight" for block in range(2)
    }
    for file in ("model.safetensors", "config.json", "training_log.parquet"):
        assert (folders["one"] / file).read_bytes() == (folders["two"] / file).read_bytes()
    assert (folders["one"] / "config.json").read_bytes() == (folders["full"] / "config.json").read_bytes()
    metadata = {name: json.loads((folder / "metadata.json").read_text()) for name, folder in folders.items()}
    # Two blocks, of width 32: A reads 32 numbers, B makes 96.
    assert metadata["one"]["adapter"] == {
        "kind": "lora",
        "peft": version("peft"),
        "rank": 4,
        "alpha": 16.0,
        "dropout": 0.0,
        "target_modules": ["c_attn"],
        "parameters": 2 * 4 * (32 + 96),
    }
    assert "adapter" not in metadata["full"]
    log = read_table(folders["one"] / "training_log.parquet", TRAINING_LOG)["loss"].to_pylist()
    assert sum(log[-2:]) < sum(log[:2])
    # The next generation starts from the merged model like from any other.
    assert load_model(folders["one"]).config.model_type == "gpt2"
