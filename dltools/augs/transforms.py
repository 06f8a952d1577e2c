"""The transforms of albumentations, by name.

Ours stand beside them in other files: compositions, `letterbox`, and those that take in other samples, `fda`,
`histogram_matching` and `pixel_distribution_adaptation` among them.

Left out: those that leave uint8 (`Normalize`, `ToFloat`, `FromFloat`, `ToTensorV2`, for normalisation happens on the
device), those that need other images or metadata (`OverlayElements`, `TextImage`, `RandomCropNearBBox`, and `Mosaic`,
`FDA`, `HistogramMatching` and `PixelDistributionAdaptation`, which are ours here), volumes, `Lambda`, `Morphological`
(2.0.8 takes the list of boxes for rows of an image), and deprecated names of others in the table (`ShiftScaleRotate`,
`TimeReverse`, `TimeMasking`, `FrequencyMasking`). Sizes that albumentations wants given are 224.
"""

from __future__ import annotations

from dltools.cfgutils import foreign

foreign("transform", "additive_noise", "albumentations.AdditiveNoise", "Add noise of a chosen distribution.")
foreign(
    "transform", "advanced_blur", "albumentations.AdvancedBlur", "Blur with a generalised, turned and noisy Gaussian."
)
foreign("transform", "affine", "albumentations.Affine", "Shift, scale, turn and shear.")
foreign(
    "transform",
    "at_least_one_bbox_random_crop",
    "albumentations.AtLeastOneBBoxRandomCrop",
    "Crop so that at least one box stays.",
    height=224,
    width=224,
)
foreign("transform", "auto_contrast", "albumentations.AutoContrast", "Stretch the contrast to the whole range.")
foreign("transform", "bbox_safe_random_crop", "albumentations.BBoxSafeRandomCrop", "Crop so that all boxes stay.")
foreign("transform", "blur", "albumentations.Blur", "Blur with a box.")
foreign("transform", "center_crop", "albumentations.CenterCrop", "Crop the centre.", height=224, width=224)
foreign("transform", "channel_dropout", "albumentations.ChannelDropout", "Blank out channels.")
foreign("transform", "channel_shuffle", "albumentations.ChannelShuffle", "Permute the channels.")
foreign(
    "transform", "chromatic_aberration", "albumentations.ChromaticAberration", "Distort red and blue as a lens does."
)
foreign("transform", "clahe", "albumentations.CLAHE", "Equalise the histogram locally, with limited contrast.")
foreign("transform", "coarse_dropout", "albumentations.CoarseDropout", "Cut out rectangles.")
foreign("transform", "color_jitter", "albumentations.ColorJitter", "Change brightness, contrast, saturation and hue.")
foreign(
    "transform",
    "constrained_coarse_dropout",
    "albumentations.ConstrainedCoarseDropout",
    "Cut out rectangles within the classes of the mask that are listed.",
    mask_indices=(1,),
)
foreign("transform", "crop", "albumentations.Crop", "Crop a fixed region.", x_max=224, y_max=224)
foreign(
    "transform",
    "crop_and_pad",
    "albumentations.CropAndPad",
    "Crop or pad the sides by pixels or shares.",
    percent=(-0.1, 0.1),
)
foreign(
    "transform",
    "crop_non_empty_mask_if_exists",
    "albumentations.CropNonEmptyMaskIfExists",
    "Crop where the mask is not empty.",
    height=224,
    width=224,
)
foreign("transform", "d4", "albumentations.D4", "Apply one of the eight symmetries of the square.")
foreign("transform", "defocus", "albumentations.Defocus", "Blur as a lens out of focus.")
foreign("transform", "downscale", "albumentations.Downscale", "Scale down and up again.")
foreign("transform", "elastic_transform", "albumentations.ElasticTransform", "Deform elastically (Simard et al. 2003).")
foreign("transform", "emboss", "albumentations.Emboss", "Emboss and blend.")
foreign("transform", "equalize", "albumentations.Equalize", "Equalise the histogram.")
foreign("transform", "erasing", "albumentations.Erasing", "Erase one rectangle (Zhong et al. 2017).")
foreign("transform", "fancy_pca", "albumentations.FancyPCA", "Shift colours along their principal components.")
foreign("transform", "gauss_noise", "albumentations.GaussNoise", "Add Gaussian noise.")
foreign("transform", "gaussian_blur", "albumentations.GaussianBlur", "Blur with a Gaussian.")
foreign("transform", "glass_blur", "albumentations.GlassBlur", "Blur as frosted glass.")
foreign("transform", "grid_distortion", "albumentations.GridDistortion", "Stretch the cells of a grid.")
foreign("transform", "grid_dropout", "albumentations.GridDropout", "Cut out the cells of a grid (Chen et al. 2020).")
foreign(
    "transform",
    "grid_elastic_deform",
    "albumentations.GridElasticDeform",
    "Move the nodes of a grid.",
    num_grid_xy=(4, 4),
    magnitude=8,
)
foreign("transform", "he_stain", "albumentations.HEStain", "Vary the H&E stain of histology.")
foreign("transform", "horizontal_flip", "albumentations.HorizontalFlip", "Mirror left and right.")
foreign("transform", "hue_saturation_value", "albumentations.HueSaturationValue", "Change hue, saturation and value.")
foreign("transform", "illumination", "albumentations.Illumination", "Light the image unevenly.")
foreign("transform", "image_compression", "albumentations.ImageCompression", "Leave the traces of JPEG or WebP.")
foreign("transform", "invert_img", "albumentations.InvertImg", "Invert the image.")
foreign("transform", "iso_noise", "albumentations.ISONoise", "Add the noise of a camera sensor.")
foreign(
    "transform",
    "longest_max_size",
    "albumentations.LongestMaxSize",
    "Scale so that the longer side has a given length.",
    max_size=224,
)
foreign("transform", "mask_dropout", "albumentations.MaskDropout", "Blank out whole objects of the mask.")
foreign("transform", "median_blur", "albumentations.MedianBlur", "Blur with a median.")
foreign("transform", "motion_blur", "albumentations.MotionBlur", "Blur along a direction.")
foreign("transform", "multiplicative_noise", "albumentations.MultiplicativeNoise", "Multiply by noise.")
foreign("transform", "no_op", "albumentations.NoOp", "Do nothing.")
foreign("transform", "optical_distortion", "albumentations.OpticalDistortion", "Distort as a lens does.")
foreign("transform", "pad", "albumentations.Pad", "Pad the sides by given lengths.")
foreign(
    "transform", "pad_if_needed", "albumentations.PadIfNeeded", "Pad to a least size.", min_height=224, min_width=224
)
foreign("transform", "perspective", "albumentations.Perspective", "Move the four corners.")
foreign("transform", "piecewise_affine", "albumentations.PiecewiseAffine", "Deform triangle by triangle; slow.")
foreign("transform", "pixel_dropout", "albumentations.PixelDropout", "Blank out pixels.")
foreign(
    "transform", "planckian_jitter", "albumentations.PlanckianJitter", "Vary the colour temperature (Zini et al. 2023)."
)
foreign(
    "transform",
    "plasma_brightness_contrast",
    "albumentations.PlasmaBrightnessContrast",
    "Vary brightness and contrast by a plasma fractal.",
)
foreign("transform", "plasma_shadow", "albumentations.PlasmaShadow", "Cast a shadow in the shape of a plasma fractal.")
foreign("transform", "posterize", "albumentations.Posterize", "Keep fewer bits of each channel.")
foreign(
    "transform",
    "random_brightness_contrast",
    "albumentations.RandomBrightnessContrast",
    "Change brightness and contrast.",
)
foreign("transform", "random_crop", "albumentations.RandomCrop", "Crop at a random place.", height=224, width=224)
foreign("transform", "random_crop_from_borders", "albumentations.RandomCropFromBorders", "Cut off the sides.")
foreign("transform", "random_fog", "albumentations.RandomFog", "Add fog.")
foreign("transform", "random_gamma", "albumentations.RandomGamma", "Change the gamma.")
foreign("transform", "random_gravel", "albumentations.RandomGravel", "Add gravel.")
foreign("transform", "random_grid_shuffle", "albumentations.RandomGridShuffle", "Shuffle the cells of a grid.")
foreign("transform", "random_rain", "albumentations.RandomRain", "Add rain.")
foreign(
    "transform",
    "random_resized_crop",
    "albumentations.RandomResizedCrop",
    "Crop a random part and resize it (Szegedy et al. 2014).",
    size=(224, 224),
)
foreign("transform", "random_rotate_90", "albumentations.RandomRotate90", "Turn by quarters.")
foreign("transform", "random_scale", "albumentations.RandomScale", "Scale; the size of the image changes.")
foreign("transform", "random_shadow", "albumentations.RandomShadow", "Cast shadows.")
foreign(
    "transform",
    "random_sized_bbox_safe_crop",
    "albumentations.RandomSizedBBoxSafeCrop",
    "Crop so that all boxes stay, and resize.",
    height=224,
    width=224,
)
foreign(
    "transform",
    "random_sized_crop",
    "albumentations.RandomSizedCrop",
    "Crop a part of random height, and resize.",
    min_max_height=(112, 224),
    size=(224, 224),
)
foreign("transform", "random_snow", "albumentations.RandomSnow", "Add snow.")
foreign("transform", "random_sun_flare", "albumentations.RandomSunFlare", "Add a sun flare.")
foreign("transform", "random_tone_curve", "albumentations.RandomToneCurve", "Bend the tone curve.")
foreign("transform", "resize", "albumentations.Resize", "Resize to a height and width.", height=224, width=224)
foreign("transform", "rgb_shift", "albumentations.RGBShift", "Shift each channel.")
foreign("transform", "ringing_overshoot", "albumentations.RingingOvershoot", "Add ringing at the edges.")
foreign("transform", "rotate", "albumentations.Rotate", "Turn by any angle.")
foreign("transform", "safe_rotate", "albumentations.SafeRotate", "Turn, and shrink so that no corner is lost.")
foreign("transform", "salt_and_pepper", "albumentations.SaltAndPepper", "Make pixels black or white.")
foreign("transform", "sharpen", "albumentations.Sharpen", "Sharpen and blend.")
foreign("transform", "shot_noise", "albumentations.ShotNoise", "Add the noise of few photons.")
foreign(
    "transform",
    "smallest_max_size",
    "albumentations.SmallestMaxSize",
    "Scale so that the shorter side has a given length.",
    max_size=224,
)
foreign("transform", "solarize", "albumentations.Solarize", "Invert what is above a threshold.")
foreign("transform", "spatter", "albumentations.Spatter", "Spatter with rain or mud.")
foreign(
    "transform",
    "square_symmetry",
    "albumentations.SquareSymmetry",
    "Apply one of the eight symmetries of the square; the same as d4.",
)
foreign("transform", "superpixels", "albumentations.Superpixels", "Average over superpixels.")
foreign("transform", "thin_plate_spline", "albumentations.ThinPlateSpline", "Deform by a thin plate spline.")
foreign("transform", "to_gray", "albumentations.ToGray", "Make grey, with as many channels.")
foreign("transform", "to_rgb", "albumentations.ToRGB", "Make three channels of one.")
foreign("transform", "to_sepia", "albumentations.ToSepia", "Make sepia.")
foreign("transform", "transpose", "albumentations.Transpose", "Swap rows and columns.")
foreign("transform", "unsharp_mask", "albumentations.UnsharpMask", "Sharpen by an unsharp mask.")
foreign("transform", "vertical_flip", "albumentations.VerticalFlip", "Mirror top and bottom.")
foreign("transform", "xy_masking", "albumentations.XYMasking", "Cut out stripes, as on spectrograms.")
foreign("transform", "zoom_blur", "albumentations.ZoomBlur", "Blur as a zoom does.")
