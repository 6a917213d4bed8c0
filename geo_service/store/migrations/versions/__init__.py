"""One file a step: pre_0001_… before pre_0002_…, and so on."""
