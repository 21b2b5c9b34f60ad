"""What results depend on besides the input; this runs on nodes that may lack dlcli, so it imports nothing of it."""


def node_facts() -> dict[str, str]:
    """Versions and the capability of the CPU of the machine that this runs on, by what they are called."""
    import sys
    from importlib.metadata import PackageNotFoundError, version

    found = {"Python": f"{sys.version_info.major}.{sys.version_info.minor}"}
    try:
        import dlcli

        found["dlcli"] = dlcli.__version__
    except ImportError:
        found["dlcli"] = "missing"
    for name in ("torch", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    try:
        import torch

        features: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = any(features.get(name) for name in ("avx512_bf16", "amx_bf16"))
        found["CPU capability"] = torch.backends.cpu.get_cpu_capability() + (" with bfloat16" if fast else "")
    except ImportError:
        found["CPU capability"] = "unknown"
    return found
