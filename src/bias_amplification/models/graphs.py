"""Training steps that a GPU replays as one CUDA graph, because launching their thousands of kernels one by one is slow.

A deep model of thin layers is bound by launches: its step took 162 ms, and 38 ms as one graph. The same kernels run in
the same order on the same numbers, so that a training has the same results with and without graphs.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

import torch

#: Tensors of one step, by name, on the device of the model.
Batch = Mapping[str, torch.Tensor]

#: Takes a batch and changes the weights; returns the loss.
StepFunction = Callable[[Batch], torch.Tensor]

#: Runs a function of fixed tensors once or more, and returns a function that repeats its work on them.
Capture = Callable[[Callable[[], torch.Tensor]], Callable[[], torch.Tensor]]

#: A shape is captured after so many steps, which are timed. The first ones are slow, because kernels are chosen.
_STEPS_BEFORE = 8
#: So many replays are timed.
_REPLAYS = 4
#: Fewer steps of a shape are not worth the seconds of a capture.
_STEPS_WORTH_CAPTURING = 200
#: Graphs of one training. Each keeps its own copy of a batch and some memory of the driver.
_MOST_GRAPHS = 4
#: Graphs are used as long as a replay takes at most this share of the time of a step.
_WORTH_KEEPING = 0.97


class CudaGraphs:
    """Captures work on the current GPU. All graphs share one pool of memory, because one of them runs at a time."""

    def __init__(self) -> None:
        self._stream = torch.cuda.Stream()
        self._pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], torch.Tensor]) -> Callable[[], torch.Tensor]:
        """Capture work without running it, and return a function that runs it and returns its result's tensor.

        Raises
        ------
        RuntimeError
            If the work cannot be captured, for example because it waits for the GPU.
        """
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[torch.cuda.current_device()]
        clean = generator.clone_state()
        try:
            # The outer context brings the stream back if the end of the capture fails. A thread may pin memory
            # meanwhile, which is no part of the graph.
            with (
                torch.cuda.stream(torch.cuda.current_stream()),
                torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"),
            ):
                result = work()
        except RuntimeError:
            # Otherwise the generator would stay in the state of a capture.
            generator.graphsafe_set_state(clean)
            raise

        def replay() -> torch.Tensor:
            graph.replay()
            return result

        return replay


@dataclass
class _Shape:
    """The steps with batches of one shape."""

    steps: int = 0
    seconds: list[float] = field(default_factory=list)
    """Of the first steps."""
    fixed: dict[str, torch.Tensor] = field(default_factory=dict)
    """The tensors that the graph reads."""
    replay: Callable[[], torch.Tensor] | None = None
    seconds_of_replays: list[float] = field(default_factory=list)
    compared: bool = False


class GraphedSteps:
    """A step function that captures batch shapes that come often, and runs the steps of all others as they are.

    If a capture fails, or a replay is not faster than a step, all further steps run as they are, and the log says so.

    Parameters
    ----------
    step
        Changes the weights. Gradients are None before and after it. All its random numbers come from PyTorch's default
        generator, which the caller seeds before each step.
    steps
        Number of steps to come.
    capture
        How work is captured: `CudaGraphs()` on a GPU.
    wait
        Waits until the device has done all work that was launched.
    """

    def __init__(self, step: StepFunction, steps: int, capture: Capture, wait: Callable[[], None]) -> None:
        self._step, self._left, self._capture, self._wait = step, steps, capture, wait
        self._shapes: defaultdict[Hashable, _Shape] = defaultdict(_Shape)
        self._on = True

    def __call__(self, batch: Batch) -> torch.Tensor:
        """Take a step, and return its loss, which later steps do not change."""
        shape = self._shapes[tuple((name, tuple(tensor.shape)) for name, tensor in batch.items())]
        shape.steps += 1
        self._left -= 1
        if self._on and shape.replay is None and self._is_worth_capturing(shape):
            self._try_to_capture(shape, batch)
        if not self._on or shape.replay is None:
            return self._timed(shape.seconds, _STEPS_BEFORE, lambda: self._step(batch))
        for name, tensor in batch.items():
            shape.fixed[name].copy_(tensor)
        loss = self._timed(shape.seconds_of_replays, _REPLAYS, shape.replay).clone()
        if len(shape.seconds_of_replays) == _REPLAYS and not shape.compared:
            self._compare(shape)
        return loss

    def _is_worth_capturing(self, shape: _Shape) -> bool:
        """Return whether a shape has come often enough, and will again if it goes on as often."""
        others = self._shapes.values()
        expected = self._left * shape.steps / sum(other.steps for other in others)
        graphs = sum(other.replay is not None for other in others)
        return shape.steps > _STEPS_BEFORE and expected >= _STEPS_WORTH_CAPTURING and graphs < _MOST_GRAPHS

    def _try_to_capture(self, shape: _Shape, batch: Batch) -> None:
        start = time.perf_counter()
        fixed = {name: tensor.clone() for name, tensor in batch.items()}
        self._wait()
        try:
            shape.replay = self._capture(lambda: self._step(fixed))
        except RuntimeError as fault:
            self._leave(f"a step cannot be captured as a CUDA graph ({str(fault).splitlines()[0]})")
            return
        shape.fixed = fixed
        print(f"captured a step as a CUDA graph in {time.perf_counter() - start:.1f} s", flush=True)

    def _compare(self, shape: _Shape) -> None:
        """Say how long a replay takes, and stop using graphs if it is not faster than a step."""
        shape.compared = True
        before, after = min(shape.seconds), min(shape.seconds_of_replays)
        words = f"a step takes {before * 1000:.1f} ms, as a CUDA graph {after * 1000:.1f} ms"
        if after > _WORTH_KEEPING * before:
            self._leave(words)
        else:
            print(words, flush=True)

    def _timed(self, seconds: list[float], most: int, work: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Do work, and time it if fewer than so many seconds are known."""
        if len(seconds) >= most:
            return work()
        self._wait()
        start = time.perf_counter()
        loss = work()
        self._wait()
        seconds.append(time.perf_counter() - start)
        return loss

    def _leave(self, why: str) -> None:
        """Run all further steps as they are, and free the graphs' memory."""
        self._on = False
        self._shapes.clear()
        print(f"{why}: training goes on without graphs", flush=True)
