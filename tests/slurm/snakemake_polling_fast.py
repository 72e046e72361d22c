"""Run Snakemake with its usual arguments, but ask SLURM every second. By default the pauses grow to minutes."""

import asyncio
import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def sleep(executor: RemoteExecutor) -> None:
    await asyncio.sleep(1)


RemoteExecutor.sleep = sleep
main(sys.argv[1:])
