"""The usage history: records, rollups, summaries and repricing."""
