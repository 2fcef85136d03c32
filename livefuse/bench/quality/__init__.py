"""`livefuse bench quality`: what a swap looks like on clips, in figures and as a sheet of pictures."""
