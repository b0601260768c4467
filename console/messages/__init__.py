"""Commands for single messages and mailboxes: `import`, `export`, `trace`, `verify`."""
