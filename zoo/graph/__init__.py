"""The knowledge graph: what passages state as triples, each with its quote; merged over documents; without what contradicts."""
