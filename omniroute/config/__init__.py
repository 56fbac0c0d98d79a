"""What users set: the configuration model, settings and their registry, deadlines, resilience profiles. Pure."""
