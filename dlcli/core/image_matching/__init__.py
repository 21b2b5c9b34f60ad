"""Near-duplicate images: perceptual hashes propose pairs, and the pixels of the two images, aligned, confirm them."""
