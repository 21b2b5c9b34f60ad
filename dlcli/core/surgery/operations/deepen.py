"""A second layer behind every hidden one, with the function unchanged (Net2DeeperNet, Chen et al. 2016, arXiv 1511.05641, 3.2).

Behind each hidden convolution or fully connected layer, and before what normalises or activates its output, come a PReLU of
slope 1, which is the identity, and a layer of as many units whose weights are the identity: a kernel of 3 (of 1 along sides
where the layer has 1) with a single one per unit, stride 1, the same groups, and a bias of 0 if the layer has one. So it is
exact for every activation, where the original construction needs one with f(f(x)) = f(x), as ReLU has and ELU and leaky ReLU
have not. It is exact in training mode too: a batch normalisation behind it sees the values, and the statistics, that it saw.

In the state dict the keys of the layer get `first`, and `activation` and `second` stand beside it: `conv1.weight` is
`conv1.first.weight` afterwards. The slope of the PReLU is one number, which training moves: until then the two layers are one
linear map. Before a ReLU it starts to move at the second step, when the second layer is the identity no more.
"""

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn

from dlcli.core.graph.rewire import leave_out_new_modules
from dlcli.core.graph.trace import CONVOLUTIONS, WEIGHTED
from dlcli.core.surgery.base import WEIGHT_LAYERS, SurgeryResult, deep_copy, display_name, replace_modules, traces
from dlcli.core.surgery.growth.proof import TOLERANCE, float64_copy, parameter_count, probes, relative_difference, scientific
from dlcli.support.errors import InputError
from dlcli.support.plural import count

ARGUMENT = ""

_LAYERS = CONVOLUTIONS | {"linear"}
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def check(argument: str) -> None:
    """There is nothing to check."""


def apply(model: nn.Module, argument: str, sample: Tensor) -> SurgeryResult:
    """A copy with twice as many hidden layers that computes the same; raises InputError if there is none."""
    done = deep_copy(model)
    hidden = {done.get_submodule(path) for path in _hidden_layers(done, sample)}
    replace_modules(done, WEIGHT_LAYERS, lambda layer: _deeper(layer) if layer in hidden else layer)
    leave_out_new_modules(done)
    before = float64_copy(model)
    difference = relative_difference(before, float64_copy(done), probes(sample, before))
    if not difference < TOLERANCE:
        what = f"relative difference {scientific(difference)} in float64"
        raise InputError(f"the network does not compute the same with identities in it: {what}")
    sizes = f"{parameter_count(model):,} parameters became {parameter_count(done):,}"
    bend = "two layers without an activation between them are one linear map until the PReLU of slope 1 there is trained"
    what = f"{count(len(hidden), 'layer')} added; {sizes}; exact: relative difference {scientific(difference)} in float64"
    return SurgeryResult(done, f"{what}; {bend}")


def _hidden_layers(model: nn.Module, sample: Tensor) -> list[str]:
    """The paths of the layers that another one with weights follows, in evaluation or in training."""
    found: dict[str, None] = {}
    for trace in traces(model, sample):
        for op in trace.ops_named(_LAYERS):
            if not any(later.name in WEIGHTED and later.descends_from(op.node) for later in trace.ops[op.node :]):
                continue
            if not issubclass(trace.classes[op.layer], WEIGHT_LAYERS):
                what = f"{display_name(op.layer)} calls {op.name} as a function, behind which no layer can be put"
                raise InputError(what, hint="use the module")
            found[op.layer] = None
    if not found:
        raise InputError("the network has no hidden convolution and no hidden fully connected layer")
    return list(found)


def _deeper(layer: Any) -> nn.Module:
    slope, second = nn.PReLU(init=1.0).to(layer.weight), _identity(layer).to(layer.weight)
    return nn.Sequential(OrderedDict(first=layer, activation=slope, second=second))


def _identity(layer: Any) -> nn.Module:
    if isinstance(layer, nn.Linear):
        made: Any = nn.utils.skip_init(nn.Linear, layer.out_features, layer.out_features, bias=layer.bias is not None)
        nn.init.eye_(made.weight)
    else:
        sides, groups = tuple(3 if side > 1 else 1 for side in layer.kernel_size), layer.groups
        how = {"padding": tuple(side // 2 for side in sides), "groups": groups, "bias": layer.bias is not None}
        made = nn.utils.skip_init(_CONVOLUTIONS[len(sides) - 1], layer.out_channels, layer.out_channels, sides, **how)
        nn.init.dirac_(made.weight, groups)
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made  # type: ignore[no-any-return]
