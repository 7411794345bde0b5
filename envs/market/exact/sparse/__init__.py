"""The market of many prosumers: the kernel's interior point and polishing on one sparse matrix of all periods."""
