"""The door for people: a page on this machine, served with the verbs behind it (extra `web`)."""
