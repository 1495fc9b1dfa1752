import { type DynamicModule, Module } from '@nestjs/common';
import { ServiceModule } from '#libs/boot/service.module.js';
import type { GovernanceSettings } from './governance.settings.js';

@Module({})
export class GovernanceModule {
  static register(settings: GovernanceSettings): DynamicModule {
    return { module: GovernanceModule, imports: [ServiceModule.register('governance', settings)] };
  }
}
