"""Leaders as ONNX files: a graph of arithmetic and its weights, which anybody may load, because nothing in it is ever run as code.

A file takes observations and gives charges in EUR/kWh, clipped and scaled to the cap within, so that whoever loads it (in Python, C++ or a
browser) needs nothing else:

===========  =====================  =======  =======================================================
name         shape                  type     content
===========  =====================  =======  =======================================================
observation  (days, observed)       float32  what the leader sees, as the environment returns it
charges      (days, coefficients)   float64  what it posts without noise, from 0 to the cap
===========  =====================  =======  =======================================================

The game, the cap, the fields of the observation, the settings and the versions it was learned with stand in the file's metadata, as JSON
under :data:`METADATA_KEY`.

The exporter of PyTorch that traces with ``torch.export`` is used (the older one is deprecated). It writes the source lines and paths of the
machine into every node; they are removed, so that the same weights give the same bytes wherever the project lies.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from stable_baselines3.common.policies import BasePolicy

from ...envs.arrays import Array
from ...envs.packages import require_research_packages, research_package
from ..policy import Observation, State

EXPORTERS: Final = ("onnx", "onnxscript")
"""Modules of the extra ``[research]`` that writing a policy takes."""
METADATA_KEY: Final = "gridtoll"
SCHEMA: Final = 1
"""Version of the metadata; a file with another one is refused."""
OPSET: Final = 18
"""Version of ONNX's operators, from 2022: what is used of it has not changed since, and runtimes of today all know it."""


class ActingCharges(torch.nn.Module):
    """A policy network of stable-baselines3, acting between −1 and 1, as a module that gives charges in EUR/kWh.

    Args:
        network: The policy of a learner.
        cap: What +1 stands for, in EUR/kWh: a number, or one for each coefficient.
    """

    def __init__(self, network: BasePolicy, cap: ArrayLike) -> None:
        super().__init__()
        self._network = network
        self._cap: torch.Tensor
        self.register_buffer("_cap", torch.as_tensor(np.atleast_1d(np.asarray(cap, dtype=np.float64))))

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Return charges, shape (B, coefficients), for observations, shape (B, observed)."""
        # `_predict` is the one method that all algorithms share and that gives actions alone; `predict` leaves torch for NumPy.
        actions = self._network._predict(observations, deterministic=True).double()  # noqa: SLF001
        charges: torch.Tensor = (actions.clamp(-1.0, 1.0) + 1.0) / 2.0 * self._cap
        return charges


class _Clipped(torch.nn.Module):
    """Any network of charges, from 0 to the cap and in double precision."""

    def __init__(self, network: torch.nn.Module, cap: float) -> None:
        super().__init__()
        self._network, self._cap = network, cap

    def forward(self, observation: torch.Tensor) -> torch.Tensor:
        charges: torch.Tensor = self._network(observation).double().clamp(0.0, self._cap)
        return charges


def write_onnx(file: BinaryIO, network: torch.nn.Module, facts: Mapping[str, Any]) -> None:
    """Write a network of charges as an ONNX file.

    Args:
        file: Open for writing.
        network: Maps observations, shape (B, observed), to charges in EUR/kWh, shape (B, coefficients).
        facts: JSON values for the metadata. :class:`OnnxPolicy` needs ``charge_cap``, ``n_charges`` and ``n_observed``.

    Raises:
        ValueError: If a package is missing, or the network does not give as many charges as stated for any number of observations.
    """
    for name in EXPORTERS:
        research_package(name, "exporting a policy")
    whole = _Clipped(network, float(facts["charge_cap"])).eval()
    example = torch.zeros(2, int(facts["n_observed"]))
    with torch.no_grad():
        given = tuple(whole(example).shape)
    if given != (2, facts["n_charges"]):
        raise ValueError(f"a network to export must give {facts['n_charges']} charges for each observation, got shape {given} for 2.")
    with _quiet_export(), torch.no_grad():
        program = torch.onnx.export(
            whole,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=["observation"],
            output_names=["charges"],
            dynamic_shapes=({0: torch.export.Dim("days")},),
            external_data=False,
            verbose=False,
        )
    assert program is not None  # with `dynamo`  # noqa: S101
    model = program.model_proto
    if not model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        raise ValueError(
            "a network to export must take any number of observations, but tracing fixed that number. In its code, write `tensor.shape[0]` "
            "instead of `len(tensor)`."
        )
    _forget_sources(model)
    text = json.dumps({"schema": SCHEMA, **facts}, sort_keys=True, allow_nan=False)
    model.metadata_props.add(key=METADATA_KEY, value=text)
    file.write(model.SerializeToString(deterministic=True))


class OnnxPolicy:
    """A leader from an ONNX file, run by onnxruntime in one thread: the same observation always gives the same charges.

    Args:
        path: Written by :func:`write_onnx`.

    Attributes:
        facts: What its metadata hold.

    Raises:
        ValueError: If a package is missing or the file is not a policy of this kind.
    """

    def __init__(self, path: Path) -> None:
        require_research_packages(("onnxruntime", "onnx"), "an ONNX policy")
        runtime = research_package("onnxruntime", "an ONNX policy")
        content = path.read_bytes()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = 3  # errors, which are raised as well
        try:
            _require_self_contained(content)
            self._session = runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # noqa: BLE001 - onnxruntime raises classes of its own, one for each cause
            raise ValueError(f"{path} must be an ONNX file, but it cannot be loaded: {str(error).splitlines()[0]}") from None
        self.facts = _facts(path, self._session.get_modelmeta().custom_metadata_map)
        _require_shapes(path, self._session, self.facts)

    def predict(
        self,
        observation: Observation,
        state: State | None = None,
        episode_start: NDArray[np.bool_] | None = None,  # noqa: ARG002 - leaders without a memory need none
        deterministic: bool = False,  # noqa: ARG002 - it always is
    ) -> tuple[Array, State | None]:
        """Return the charges for an observation; see :class:`~gridtoll.agents.policy.Policy`."""
        return self.charges(np.asarray(observation)[None])[0], state

    def charges(self, observations: ArrayLike) -> Array:
        """Return charges in EUR/kWh, shape (B, coefficients), for observations, shape (B, observed)."""
        [charges] = self._session.run(["charges"], {"observation": np.asarray(observations, dtype=np.float32)})
        return np.asarray(charges, dtype=np.float64)


def _facts(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the metadata of a file.

    Raises:
        ValueError: If there are none, or they are of another version.
    """
    try:
        facts = json.loads(metadata[METADATA_KEY])
        schema = facts["schema"]
    except (KeyError, TypeError, json.JSONDecodeError):
        raise ValueError(
            f"an ONNX policy must say what game it plays, got {path} without readable metadata {METADATA_KEY!r}. Write it with "
            "`gridtoll export policy`."
        ) from None
    needed = {"charge_cap", "n_charges", "n_observed"}
    if schema != SCHEMA or not needed <= set(facts):
        lacking = ", ".join(sorted(needed - set(facts))) or "nothing"
        raise ValueError(
            f"an ONNX policy must have metadata of schema {SCHEMA}, got {path} with schema {schema}, "
            f"which lacks {lacking}. Export it again with this version."
        )
    return dict(facts)


def _require_shapes(path: Path, session: Any, facts: Mapping[str, Any]) -> None:
    """Raise where a graph does not take and give what its metadata say."""
    taken = [(value.name, value.type, value.shape[1:]) for value in session.get_inputs()]
    given = [(value.name, value.type, value.shape[1:]) for value in session.get_outputs()]
    wanted = [("observation", "tensor(float)", [facts["n_observed"]])], [("charges", "tensor(double)", [facts["n_charges"]])]
    if (taken, given) != wanted:
        raise ValueError(f"an ONNX policy must map {wanted[0]} to {wanted[1]}, got {path} from {taken} to {given}.")


def _require_self_contained(content: bytes) -> None:
    """Raise where a file takes weights from other files: it could name any file of the machine."""
    onnx = research_package("onnx", "an ONNX policy")
    model = onnx.load_model_from_string(content)
    outside = [tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if outside:
        raise ValueError(f"all weights must be in the file itself, {', '.join(outside)} are not")


def _forget_sources(model: Any) -> None:
    """Remove what tells where the exporter was run: stack traces, paths and shapes on the way, none of which a runtime reads."""
    model.ClearField("doc_string")
    graph = model.graph
    for name in ("metadata_props", "value_info", "doc_string"):
        graph.ClearField(name)
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


@contextmanager
def _quiet_export() -> Iterator[None]:
    """Let PyTorch's exporter do without its remarks, and without the checks of distributions, which it cannot trace."""
    distribution, loggers = torch.distributions.Distribution, [logging.getLogger("torch.onnx"), logging.getLogger("torch.export")]
    loggers.append(logging.getLogger("torch.onnx._internal.exporter._registration"))  # has a level of its own: no torchvision here
    levels, checked = [logger.level for logger in loggers], distribution._validate_args  # noqa: SLF001 - there is no other way to read it
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        distribution.set_default_validate_args(False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about parts of PyTorch that its own exporter uses
            yield
    finally:
        distribution.set_default_validate_args(checked)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
