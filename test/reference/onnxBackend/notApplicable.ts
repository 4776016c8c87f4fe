/** Cases of the suite that the service does not run: names, and why. The importer must refuse each of them. */
export const notApplicable: readonly { readonly cases: RegExp; readonly reason: string }[] = [
  { cases: /^test_strnorm_|^test_cast_(FLOAT_to_STRING|STRING_to_FLOAT)$/, reason: 'tensors of strings' },
  { cases: /^test_sequence_|^test_identity_(sequence|opt)$/, reason: 'sequences and optional values' },
  { cases: /^test_cast_(BFLOAT16_to_FLOAT|FLOAT_to_BFLOAT16)$/, reason: 'bfloat16' },
  { cases: /^test_gradient_|_training_mode$/, reason: 'training' },
  { cases: /^test_nonmaxsuppression_/, reason: 'NonMaxSuppression: the size of its result depends on the data' },
  {
    cases: /^test_dynamicquantizelinear(_m\w+_adjusted)?$/,
    reason: 'scales computed from the data (DynamicQuantizeLinear)',
  },
  {
    cases: /^test_gather_elements_|^test_hardmax_|^test_shrink$/,
    reason: 'operators that convolutional networks do not use',
  },
  { cases: /^test_PReLU_\dd_multiparam$/, reason: 'operator set 6, where the slope of PRelu lies along the channels' },
];
