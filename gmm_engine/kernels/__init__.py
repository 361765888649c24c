"""The inner loops of EM: densities and sufficient statistics of blocks of rows."""
