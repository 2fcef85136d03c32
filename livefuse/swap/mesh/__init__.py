"""The swapper without learned weights: landmark warp, relighting, soft seam."""
