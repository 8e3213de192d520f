"""From cubes to layers on disk: windows with halo, a journal, threads or a cluster, and networks run fast."""
