import eslint from "@eslint/js";
import { defineConfig } from "eslint/config";
import types from "typescript-eslint";

export default defineConfig(
  eslint.configs.recommended,
  types.configs.strictTypeChecked,
  types.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      eqeqeq: "error",
      "max-lines": ["error", 600],
      "max-lines-per-function": ["error", 80],
    },
  },
  { files: ["*.js"], extends: [types.configs.disableTypeChecked] },
);
