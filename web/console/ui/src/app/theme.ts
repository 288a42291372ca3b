import { createTheme, defaultVariantColorsResolver, type CSSVariablesResolver } from '@mantine/core'

/** Dense, square-ish controls in the console's own colours. */
export const theme = createTheme({
  fontFamily: "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif",
  fontFamilyMonospace: 'var(--mono)',
  primaryColor: 'weir',
  primaryShade: { light: 7, dark: 4 },
  // Filled controls take the palette of styles.css, whose pairs can be read in both schemes.
  variantColorResolver: (input) => {
    if (input.variant !== 'filled') return defaultVariantColorsResolver(input)
    const ground = input.color === 'red' ? 'var(--bad)' : 'var(--accent)'
    return { background: ground, hover: `color-mix(in srgb, ${ground} 88%, var(--fg))`, color: 'var(--on-accent)', border: '1px solid transparent' }
  },
  defaultRadius: 'sm',
  cursorType: 'pointer',
  colors: {
    weir: ['#e6f5fa', '#cfe9f2', '#a3d5e6', '#74c0d9', '#63c3e1', '#2f9dbf', '#1583a6', '#0b6b8a', '#085870', '#044558'],
    dark: ['#e1e8eb', '#b8c4ca', '#9baab2', '#7f9099', '#35424a', '#2b363c', '#1a2227', '#161d21', '#12181b', '#0f1417'],
  },
  components: {
    Button: { defaultProps: { size: 'xs', variant: 'default' } },
    ActionIcon: { defaultProps: { size: 'md', variant: 'subtle', color: 'gray' } },
    TextInput: { defaultProps: { size: 'xs' } },
    PasswordInput: { defaultProps: { size: 'xs' } },
    NativeSelect: { defaultProps: { size: 'xs' } },
    Textarea: { defaultProps: { size: 'xs' } },
    Checkbox: { defaultProps: { size: 'xs' } },
    SegmentedControl: { defaultProps: { size: 'xs', transitionDuration: 0 } },
    Modal: { defaultProps: { transitionProps: { duration: 0 }, overlayProps: { backgroundOpacity: 0.45 } } },
    Menu: { defaultProps: { transitionProps: { duration: 0 } } },
    Popover: { defaultProps: { transitionProps: { duration: 0 } } },
  },
})

/** Mantine draws with the variables of styles.css, so that there is one palette. */
export const variables: CSSVariablesResolver = () => {
  const both = {
    '--mantine-color-body': 'var(--panel)',
    '--mantine-color-text': 'var(--fg)',
    '--mantine-color-dimmed': 'var(--dim)',
    '--mantine-color-placeholder': 'var(--dim)',
    '--mantine-color-default': 'var(--panel)',
    '--mantine-color-default-hover': 'var(--raised)',
    '--mantine-color-default-color': 'var(--fg)',
    '--mantine-color-default-border': 'var(--line)',
    '--mantine-color-anchor': 'var(--accent)',
    '--mantine-color-error': 'var(--bad)',
  }
  return { variables: {}, light: both, dark: both }
}
