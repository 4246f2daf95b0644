"""Running a policy again on a recording, and naming what came out differently."""
