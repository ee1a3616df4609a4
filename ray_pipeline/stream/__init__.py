"""One partition's way from records to a commit: judge, land, commit, project dead letters."""
