"""Snakemake as a user calls it, but asking SLURM every second: the executor's pauses grow to minutes otherwise."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(executor: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = _sleep
main(sys.argv[1:])
