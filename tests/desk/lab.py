"""Run folders at the desk, made without the command line."""

from matseek.configuration import run_settings
from matseek.runs import keep_config, open_campaign


def made(folder, responses, *overrides):
    """A run folder whose campaign has asked for a recipe for each response, and was told those that are not None."""
    common = ["problem=laboratory", "searcher=lhs", "searcher.batch_size=4", f"run_dir={folder}"]
    settings = run_settings([*common, *overrides])
    campaign = open_campaign(settings)
    keep_config(settings)
    batch = campaign.ask(len(responses))
    known = [i for i, response in enumerate(responses) if response is not None]
    told = type(batch)(batch.space, tuple(batch.numbers[i] for i in known), batch.points[known])
    campaign.logbook.tell(told.with_responses([responses[i] for i in known]))
    return folder
