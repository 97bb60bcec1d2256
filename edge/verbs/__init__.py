"""One module a verb; each has `main(arguments) -> exit code`."""
